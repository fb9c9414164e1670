package client

import (
	"context"
	"errors"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// DefaultHeartbeat is how often a Subscription requests a heartbeat.
const DefaultHeartbeat = time.Minute

// SubscribeOptions say what a subscription delivers. The zero value means every
// event from now on.
type SubscribeOptions struct {
	// Filters are strings in the form that events.ParseFilters parses. With
	// health=changed, an unchanged verdict does not pass after a reconnection either.
	Filters []string
	// Since and Until bound the time of the events, both exclusive, in the forms that
	// events.ParseTime parses; empty means no bound. If one of them is set, the
	// subscription begins with past events. Durations and "now" are relative to the
	// call of Subscribe, by this host's clock.
	Since, Until string
	// After is a cursor: the subscription continues right after it.
	After string
	// FromStart begins with everything that the store holds. It excludes After.
	FromStart bool
	// AllUsers selects the events of every user that the caller may read, not only
	// those of its own uid. So does a filter on uid.
	AllUsers bool

	// Heartbeat is how often the service has to send a heartbeat, between one second
	// and one hour. It also moves the position from which a filtered subscription
	// resumes. Without any for three times as long, the connection counts as lost. 0
	// means DefaultHeartbeat, negative means none.
	Heartbeat time.Duration

	// The functions below may be nil. Subscribe and Next call them, in their caller's
	// goroutine.

	// OnLost is called when the connection broke or could not be made again, with the
	// reason, and how long the subscription waits before its next attempt.
	OnLost func(cause error, wait time.Duration)
	// OnResumed is called when the subscription is active again, after that many
	// attempts.
	OnResumed func(attempts int)
	// OnMark is called when the position of the subscription has moved without an
	// event: at the start, when all past events have been delivered, and with each
	// heartbeat. Cursor returns the position.
	OnMark func(cursor string)
	// OnExpired is called when the store no longer holds the position to resume from.
	// If it returns true, the subscription continues from the oldest event that the
	// store then holds, which may repeat events. If it returns false, or is nil, the
	// call ends with the error.
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

// Subscribe starts a subscription: no event is missed once it has returned. The context
// bounds only the start. The first connection has to succeed; later ones are tried
// until they do.
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
	if parsed, err := filter.Parse(o.Filters); err == nil { // otherwise the service reports the error
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

// start connects and waits until the subscription is active.
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

// goesOn asks the caller what to do about a cursor that has expired, and prepares to
// continue from the oldest event at the next attempt, if that is the answer. The
// error's Oldest may be gone by then.
func (s *Subscription) goesOn(err error) bool {
	var expired *events.ExpiredError
	if !errors.As(err, &expired) || s.options.OnExpired == nil || !s.options.OnExpired(expired) {
		return false
	}
	s.cursor, s.request.After, s.request.FromStart = "", "", true
	return true
}

// stand makes one attempt to connect and to resume the subscription.
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
