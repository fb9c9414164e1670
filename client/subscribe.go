package client

import (
	"context"
	"errors"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// DefaultHeartbeat is how often a Subscription asks for a sign of life.
const DefaultHeartbeat = time.Minute

// SubscribeOptions say what a subscription delivers. The zero value means every
// event from now on.
type SubscribeOptions struct {
	// Filters are strings as events.ParseFilters understands them. A verdict that
	// has not changed does not pass health=changed after a reconnection either.
	Filters []string
	// Since and Until bound the time of the events, both exclusive, in the
	// forms that events.ParseTime understands; empty means no bound. With one
	// of them the subscription delivers past events first. Durations and "now"
	// count from the call of Subscribe, by the clock of this host.
	Since, Until string
	// After is a cursor: the subscription continues right after it.
	After string
	// FromStart delivers everything that the store holds first. It cannot be
	// given together with After.
	FromStart bool
	// AllUsers delivers the events of every user that the caller may read, and
	// not only those of its own uid. A filter on uid does so too.
	AllUsers bool

	// Heartbeat is how often the service has to give a sign of life, between
	// one second and one hour; it also moves the place from which a filtered
	// subscription resumes. Without any for three times as long the connection
	// counts as lost. 0 means DefaultHeartbeat, negative means none.
	Heartbeat time.Duration

	// The functions below may be nil. They are called by Subscribe and Next,
	// in the goroutine of their caller.

	// OnLost is called when the connection broke or could not be made again:
	// why, and how long the subscription waits before it tries.
	OnLost func(cause error, wait time.Duration)
	// OnResumed is called when the subscription stands again, after that many
	// attempts.
	OnResumed func(attempts int)
	// OnMark is called when the place of the subscription has moved although no
	// event came: at the start, when all past events have been delivered, and
	// with each sign of life. Cursor returns it.
	OnMark func(cursor string)
	// OnExpired is asked when the store no longer holds the place to resume
	// from: true lets the subscription go on from the oldest event that the store
	// holds when it asks again, which may repeat events that were delivered
	// before; false, and a nil function, end the call with the error.
	OnExpired func(err *events.ExpiredError) bool
}

// subscribeParameters are the parameters of Subscribe.
type subscribeParameters struct {
	Filters      []string `json:"filters,omitempty"`
	Since        string   `json:"since,omitempty"`
	Until        string   `json:"until,omitempty"`
	After        string   `json:"after,omitempty"`
	FromStart    bool     `json:"fromStart,omitempty"`
	HeartbeatSec int      `json:"heartbeatSec,omitempty"`
	AllUsers     bool     `json:"allUsers,omitempty"`
}

// The bounds of the contract, in seconds, and how many heartbeats may be missed.
const (
	minHeartbeat     = 1
	maxHeartbeat     = 3600
	missedHeartbeats = 3
)

// Subscribe starts a subscription: once it returns, nothing is missed. The
// context bounds only the start. The first connection has to succeed; later
// ones are tried again until they do.
func (c *Client) Subscribe(ctx context.Context, o SubscribeOptions) (*Subscription, error) {
	now := time.Now()
	s := &Subscription{
		client:  c,
		options: o,
		request: subscribeParameters{
			Filters: o.Filters,
			Since:   absolute(events.Since, o.Since, now),
			Until:   absolute(events.Until, o.Until, now),
			After:   o.After, FromStart: o.FromStart, AllUsers: o.AllUsers,
		},
		cursor: o.After,
		closed: make(chan struct{}),
	}
	if parsed, err := filter.Parse(o.Filters); err == nil { // else the service says what is wrong
		s.changes = parsed.Repeats()
	}
	if o.Heartbeat >= 0 {
		every := o.Heartbeat
		if every == 0 {
			every = DefaultHeartbeat
		}
		s.request.HeartbeatSec = min(max(int(every/time.Second), minHeartbeat), maxHeartbeat)
		s.patience = missedHeartbeats * time.Duration(s.request.HeartbeatSec) * time.Second
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// start connects and waits until the subscription stands.
func (s *Subscription) start(ctx context.Context) error {
	for {
		err := s.stand(ctx)
		if err == nil || isLost(err) || s.failed(err) != nil {
			return err
		}
		if err := s.rest(ctx); err != nil {
			return err
		}
	}
}

// goesOn asks the user what to do about a cursor that the store cannot continue
// from, and goes on from the oldest event that the store holds when the next
// attempt is made, if that is the answer. What the error calls the oldest may be
// gone by then.
func (s *Subscription) goesOn(err error) bool {
	var expired *events.ExpiredError
	if !errors.As(err, &expired) || s.options.OnExpired == nil || !s.options.OnExpired(expired) {
		return false
	}
	s.cursor, s.request.After, s.request.FromStart = "", "", true
	return true
}

// stand makes one attempt to connect and to subscribe where the subscription is.
func (s *Subscription) stand(ctx context.Context) (err error) {
	cn, err := s.client.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = cn.Close()
		}
	}()
	request := s.request
	if s.cursor != "" {
		request.After, request.FromStart = s.cursor, false
	}
	if err := cn.send(ctx, "Subscribe", request, true); err != nil {
		return err
	}
	frame, err := cn.receive(ctx, s.patience)
	if err != nil {
		return err
	}
	var first subscribeReply
	continues, err := decode(frame, &first)
	switch {
	case err != nil:
		return err
	case first.cursor == "" || first.hasEvent || !first.ready && continues:
		return notUnderstood(errors.New("a subscription must begin with a reply that is ready and has a cursor"))
	}
	if !s.adopt(cn) {
		return ErrClosed
	}
	s.cursor, s.ended = first.cursor, !continues
	s.live = s.live || first.live
	s.mark()
	return nil
}

func (s *Subscription) mark() {
	if s.options.OnMark != nil {
		s.options.OnMark(s.cursor)
	}
}
