package dbus

import (
	"context"
	"strconv"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// subscribeOptions are the options of Subscribe.
var subscribeOptions = map[string]string{"since": "s", "until": "s", "after": "s", "from_start": "b", "all_users": "b"}

// subscribe begins a subscription. The caller has chosen the object that the
// signals come from, so that it can listen before there are any.
func (k *call) subscribe(d *decoder) error {
	token := d.string()
	r, err := k.request(d, subscribeOptions)
	if err != nil {
		return err
	}
	if err := checkToken(token); err != nil {
		return err
	}
	s, err := k.conn.newSubscription(k.peer, token, r)
	if err != nil {
		return err
	}
	e := newEncoder(nil)
	e.string(s.path)
	e.string(s.cursor)
	// Signals may be sent only after the reply.
	defer s.start()
	return k.reply("os", e.bytes())
}

// checkToken refuses what cannot be the last element of an object path.
func checkToken(token string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	switch {
	case token == "":
		return invalidArgs("the token is empty; choose one of letters, digits and '_'")
	case len(token) > limits.Token:
		return invalidArgs("the token is longer than " + strconv.Itoa(limits.Token) + " bytes")
	case strings.Trim(token, letters) != "" || strings.ContainsFunc(token, func(r rune) bool {
		return !strings.ContainsRune(letters, r)
	}):
		return invalidArgs("the token may have letters, digits and '_' only: it is part of an object path")
	}
	return nil
}

// subscription returns the subscription of a peer that is at a path, nil if
// there is none.
func (c *conn) subscription(p *peer, path string) *subscription {
	token, ok := strings.CutPrefix(path, subscriptionPath+"/")
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.subscriptions[token]
}

// newSubscription makes a subscription that waits to be started.
func (c *conn) newSubscription(p *peer, token string, r *request) (*subscription, error) {
	path := subscriptionPath + "/" + token
	s := &subscription{
		conn: c, peer: p, token: token, path: path, signal: newSignal(path, p.name),
		history:      r.wantsHistory(),
		acknowledged: make(chan bool, limits.SignalWindows), done: make(chan struct{}),
	}
	if err := c.server.takeSubscription(p); err != nil {
		return nil, err
	}
	if err := c.addSubscription(s); err != nil {
		c.server.quotas.give(&c.server.quotas.subscriptions, p.UID)
		return nil, err
	}
	subscribed := false
	defer func() {
		if !subscribed { // it failed, or panicked
			s.remove()
		}
	}()
	var err error
	s.feed, err = c.server.feed.Subscribe(p.ctx, feed.Request{
		Query: r.query, History: s.history, After: r.after, Until: r.until, Format: c.server.signals, Face: "dbus",
	})
	if err != nil {
		return nil, err
	}
	subscribed = true
	s.cursor = s.feed.Cursor()
	s.ctx, s.cancel = context.WithCancelCause(p.ctx)
	return s, nil
}

// addSubscription makes a subscription known under its token.
func (c *conn) addSubscription(s *subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.peer.subscriptions[s.token] != nil:
		return invalidArgs("you have a subscription with the token " + s.token + " already; choose another one")
	case len(s.peer.subscriptions) >= limits.SubscriptionsPerSender:
		return standard(errLimitsExceeded, "you have too many subscriptions; end some")
	}
	s.peer.subscriptions[s.token] = s
	return nil
}

// remove forgets a subscription.
func (s *subscription) remove() {
	s.conn.mu.Lock()
	delete(s.peer.subscriptions, s.token)
	s.conn.mu.Unlock()
	s.conn.server.quotas.give(&s.conn.server.quotas.subscriptions, s.peer.UID)
}

var errUnsubscribed = errors.New("the subscriber has unsubscribed")

// unsubscribe ends a subscription of the caller. No signal of it follows the
// reply.
func (k *call) unsubscribe(d *decoder) error {
	path := d.string()
	if err := d.done(); err != nil {
		return wrongBody(err)
	}
	s := k.conn.subscription(k.peer, path)
	if s == nil {
		return standard(errUnknownObject, "you have no subscription "+shorten(path))
	}
	s.cancel(errUnsubscribed)
	select {
	case <-s.done:
	case <-k.conn.life.Done():
		return errLost
	}
	return k.reply("", nil)
}
