package dbus

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// subscribeOptions are the options of Subscribe.
var subscribeOptions = map[string]string{"since": "s", "until": "s", "after": "s", "from_start": "b", "all_users": "b"}

// subscribe begins a subscription. The caller has chosen the object that sends the
// signals, so that it can listen before there are any.
func (k *call) subscribe(d *dbuswire.Decoder) error {
	token := d.Text()
	q, _, err := query(d, subscribeOptions)
	if err != nil {
		return err
	}
	if err := checkToken(token); err != nil {
		return err
	}
	s, err := k.newSubscription(token, q)
	if err != nil {
		return err
	}
	e := dbuswire.NewEncoder(nil)
	e.Text(s.path)
	e.Text(s.cursor)
	// No signal may be sent before the reply.
	defer s.start()
	return k.Reply("os", e.Bytes())
}

// checkToken refuses a token that cannot be the last element of an object path.
func checkToken(token string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	switch {
	case token == "":
		return dbuswire.InvalidArgs("the token is empty; choose one of letters, digits and '_'")
	case len(token) > limits.Token:
		return dbuswire.InvalidArgs("the token is longer than " + strconv.Itoa(limits.Token) + " bytes")
	case strings.Trim(token, letters) != "":
		return dbuswire.InvalidArgs("the token may have letters, digits and '_' only: it is part of an object path")
	}
	return nil
}

// subscriptions are those of all peers, by peer and token.
type subscriptions struct {
	mu sync.Mutex
	of map[*dbuswire.Peer]map[string]*subscription
}

// at returns a peer's subscription at a path, nil if there is none.
func (s *subscriptions) at(p *dbuswire.Peer, path string) *subscription {
	token, ok := strings.CutPrefix(path, subscriptionPath+"/")
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[p][token]
}

// tokens returns the tokens of a peer's subscriptions.
func (s *subscriptions) tokens(p *dbuswire.Peer) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.of[p]))
}

// add adds a subscription under its token.
func (s *subscriptions) add(added *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.of[added.peer]
	switch {
	case own[added.token] != nil:
		return dbuswire.InvalidArgs("you have a subscription with the token " + added.token + " already; choose another one")
	case len(own) >= limits.SubscriptionsPerSender:
		return &dbuswire.Error{Name: dbuswire.ErrLimitsExceeded, Message: "you have too many subscriptions; end some"}
	}
	if own == nil {
		own = make(map[string]*subscription)
		if s.of == nil {
			s.of = make(map[*dbuswire.Peer]map[string]*subscription)
		}
		s.of[added.peer] = own
	}
	own[added.token] = added
	return nil
}

// remove removes a subscription.
func (s *subscriptions) remove(removed *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.of[removed.peer]
	delete(own, removed.token)
	if len(own) == 0 {
		delete(s.of, removed.peer)
	}
}

// subscriptionQuota is the quota of subscriptions.
var subscriptionQuota = core.Quota{Name: "subscriptions", Most: limits.Subscriptions, MostPerUID: limits.SubscriptionsPerUID}

// newSubscription makes a subscription that is not started yet.
func (k *call) newSubscription(token string, q core.Query) (*subscription, error) {
	p, path := k.Peer(), subscriptionPath+"/"+token
	give, err := k.server.take(&subscriptionQuota, p)
	if err != nil {
		return nil, err
	}
	s := &subscription{
		server: k.server, peer: p, token: token, path: path, signal: newSignal(path, p.Name()), flow: p.NewFlow(),
		give: give, done: make(chan struct{}),
	}
	// From now on it can be ended.
	ctx, cancel := context.WithCancelCause(p.Context())
	s.cancel = cancel
	if err := k.server.subscriptions.add(s); err != nil {
		give()
		return nil, err
	}
	subscribed := false
	defer func() {
		if !subscribed { // it failed, or panicked
			s.remove()
			cancel(nil)
		}
	}()
	if s.events, err = k.subscribeTo(ctx, q, k.server.signals, "dbus"); err != nil {
		return nil, err
	}
	subscribed = true
	s.cursor, s.ctx = s.events.Cursor(), s.events.Context()
	return s, nil
}

// subscribeTo begins a stream of events.
func (k *call) subscribeTo(ctx context.Context, q core.Query, format *feed.Format, name string) (*core.Stream, error) {
	return aside(k, func() (*core.Stream, error) {
		return k.server.core.Subscribe(ctx, k.caller(), q, format, name)
	}, (*core.Stream).Close)
}

// take counts one more of a peer's things. Until give is called, it keeps the service
// from being idle.
func (s *Server) take(q *core.Quota, p *dbuswire.Peer) (give func(), err error) {
	back, err := s.core.Take(q, who(p))
	if err != nil {
		return nil, err
	}
	s.activity.Begin()
	return sync.OnceFunc(func() {
		back()
		s.activity.End()
	}), nil
}

// remove removes the subscription.
func (s *subscription) remove() {
	s.server.subscriptions.remove(s)
	s.give()
}

var errUnsubscribed = errors.New("the subscriber has unsubscribed")

// unsubscribe ends a subscription of the caller. No signal of it follows the reply.
func (k *call) unsubscribe(d *dbuswire.Decoder) error {
	path := d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	s := k.server.subscriptions.at(k.Peer(), path)
	if s == nil {
		return &dbuswire.Error{Name: dbuswire.ErrUnknownObject, Message: "you have no subscription " + dbuswire.Shorten(path)}
	}
	s.cancel(errUnsubscribed)
	select {
	case <-s.done:
	case <-k.Conn().Lost():
		return dbuswire.ErrLost
	}
	return k.Reply("", nil)
}
