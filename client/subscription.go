package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// The waits before attempts to reconnect: doubled each time, and shortened at random by
// up to a half, so that many clients do not reconnect at once.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Subscription follows events, through restarts of the service. It is not safe for
// concurrent use, except for Close.
type Subscription struct {
	client   *Client
	options  SubscribeOptions
	request  subscribeParameters
	patience time.Duration

	reply   subscribeReply
	changes *filter.Changes // nil: there is no filter health=changed
	cursor  string          // of the last reply, whose event the caller has
	live    bool
	ended   bool // until has passed

	outage   bool          // the connection was lost, and has not been restored
	failures int           // consecutive, without a reply between them
	pause    time.Duration // before the next attempt
	expired  bool          // the cursor had expired, and no event has arrived since

	closed chan struct{}
	mu     sync.Mutex
	conn   *conn // nil: there is none
	done   bool  // closed is closed
}

// Next waits for the next event. It returns io.EOF once Until has passed. When its
// context ends it returns the context's error. After that or any other error except
// ErrClosed, Next may be called again, and continues after the last event.
//
// For an *events.ExpiredError, which means that the service cannot continue there, see
// SubscribeOptions.OnExpired.
func (s *Subscription) Next(ctx context.Context) (e events.Event, err error) {
	err = s.NextInto(ctx, &e)
	return e, err
}

// NextInto is Next for many events: it fills in the caller's event, and reuses the
// event's map for the attributes. On an error the event is unchanged.
func (s *Subscription) NextInto(ctx context.Context, e *events.Event) error {
	for {
		cn, done := s.connection()
		switch {
		case s.ended:
			_ = s.Close()
			return io.EOF
		case done:
			return ErrClosed
		case cn == nil:
			if err := s.resume(ctx); err != nil {
				return err
			}
			continue
		}
		got, err := s.read(ctx, cn, e)
		switch {
		case got:
			return nil
		case err == nil:
		case errors.Is(err, ctx.Err()):
			return err
		default:
			s.drop(cn)
			if err := s.failed(err); err != nil {
				return err
			}
		}
	}
}

// NextLine is Next for programs that print events, like History.NextLine.
func (s *Subscription) NextLine(ctx context.Context, dst []byte, as Line) ([]byte, error) {
	var e events.Event
	if err := s.NextInto(ctx, &e); err != nil {
		return dst, err
	}
	return as.append(dst, &e), nil
}

// read reads one reply and reports whether it has an event, which it fills in.
func (s *Subscription) read(ctx context.Context, cn *conn, e *events.Event) (got bool, err error) {
	frame, err := cn.receive(ctx, s.patience)
	if err != nil {
		return false, err
	}
	continues, err := decode(frame, &s.reply)
	if err != nil {
		return false, err
	}
	if s.reply.cursor == "" {
		return false, notUnderstood(errors.New("it has no cursor"))
	}
	if s.reply.hasEvent {
		if got, err = s.take(e); err != nil {
			return false, err
		}
	}
	s.cursor = s.reply.cursor
	s.ended = !continues
	if s.reply.live {
		s.live = true
	} else {
		s.failures = 0
	}
	if s.reply.hasEvent {
		s.expired = false
	}
	if !got {
		s.mark()
	}
	return got, nil
}

// take fills in the event of the reply, unless it repeats what the caller has.
func (s *Subscription) take(e *events.Event) (taken bool, err error) {
	if s.changes == nil {
		return true, s.reply.event.into(e, new(copied))
	}
	var verdict events.Event
	if err := s.reply.event.into(&verdict, new(copied)); err != nil || s.repeats(&verdict) {
		return false, err
	}
	*e = verdict
	return true, nil
}

// repeats reports whether the event is an unchanged verdict of a health check: a
// service that has restarted sends the container's first verdict again.
func (s *Subscription) repeats(e *events.Event) bool {
	if s.changes == nil {
		return false
	}
	v := filter.View{
		TypeCode: filter.CodeOfType(e.Type), StatusCode: filter.CodeOfStatus(e.Status), ID: e.ID, Name: e.Name, Host: e.Host,
		UID: -1, Health: e.HealthStatus,
	}
	if e.UID != nil {
		v.UID = int64(*e.UID)
	}
	return !s.changes.Match(&v)
}

// resume reconnects, trying as often as necessary.
func (s *Subscription) resume(ctx context.Context) error {
	for {
		if err := s.rest(ctx); err != nil {
			return err
		}
		err := s.stand(ctx)
		if err == nil {
			if s.outage && s.options.OnResumed != nil {
				s.options.OnResumed(s.failures)
			}
			s.outage = false
			return nil
		}
		if done := ctx.Err(); done != nil {
			return done
		}
		if err := s.failed(err); err != nil {
			return err
		}
	}
}

// failed decides how to handle an error; nil means to reconnect. It sets the pause
// before that.
func (s *Subscription) failed(err error) error {
	if s.isClosed() {
		return ErrClosed
	}
	if s.goesOn(err) {
		// At once if an event has arrived since the last time: a log that is rotated
		// quickly loses more every moment.
		if s.expired {
			s.pause = firstWait
		}
		s.expired = true
		return nil
	}
	s.failures++
	s.pause = min(firstWait<<min(s.failures-1, 10), lastWait)
	s.pause -= rand.N(s.pause / 2)
	if !isLost(err) {
		return err
	}
	s.outage = true
	if s.options.OnLost != nil {
		s.options.OnLost(err, s.pause)
	}
	return nil
}

// rest waits for the pause.
func (s *Subscription) rest(ctx context.Context) error {
	if s.isClosed() {
		return ErrClosed
	}
	if s.pause > 0 {
		timer := time.NewTimer(s.pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closed:
			return ErrClosed
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.pause = 0
	return nil
}

// Events returns the events as they arrive, for use with range. An error other than the
// end of the subscription is yielded last.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[events.Event, error] {
	return all(ctx, s.Next)
}

// Cursor returns the current position: after the last event that Next returned, and
// after those that did not match. A later subscription can resume from it.
func (s *Subscription) Cursor() string { return s.cursor }

// Live reports whether all past events have been delivered.
func (s *Subscription) Live() bool { return s.live }

// Buffered reports whether Next would return, or move the cursor, without waiting for
// the service.
func (s *Subscription) Buffered() bool {
	cn, _ := s.connection()
	return s.ended || cn != nil && cn.in.ready()
}

// Close ends the subscription. It may be called while Next waits, which then
// returns ErrClosed.
func (s *Subscription) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	s.done = true
	close(s.closed)
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

func (s *Subscription) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

func (s *Subscription) connection() (cn *conn, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn, s.done
}

// adopt makes cn the connection of the subscription, unless that is closed.
func (s *Subscription) adopt(cn *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return false
	}
	s.conn = cn
	return true
}

// drop closes the connection.
func (s *Subscription) drop(cn *conn) {
	s.mu.Lock()
	s.conn = nil
	s.mu.Unlock()
	_ = cn.Close()
}
