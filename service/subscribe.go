package service

import (
	"context"
	"io"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// Subscribe sends events as they arrive, after past ones if those are asked for.
func (f *handler) Subscribe(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string,
	since, until, after *string, fromStart *bool, heartbeatSec *int64, allUsers *bool,
) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	q, err := query(filters, since, until, after, fromStart, allUsers)
	if err != nil {
		return f.fail(call, err, "")
	}
	s := stream{call: call}
	if s.heartbeat, err = heartbeat(heartbeatSec); err != nil {
		return f.fail(call, err, "")
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	if s.Stream, err = f.core.Subscribe(ctx, Caller(call), q, f.format, "varlink"); err != nil {
		return f.fail(call, err, "")
	}
	defer s.Close()
	if err = s.run(); err != nil {
		return f.fail(call, err, s.Cursor())
	}
	return nil
}

// heartbeat returns the time between heartbeats, 0 for none.
func heartbeat(seconds *int64) (time.Duration, error) {
	const least, most = int64(limits.ShortestHeartbeat / time.Second), int64(limits.LongestHeartbeat / time.Second)
	switch {
	case seconds == nil:
		return 0, nil
	case *seconds < least || *seconds > most:
		return 0, core.InvalidValue("heartbeatSec", "'heartbeatSec' must be between 1 and 3600")
	}
	return time.Duration(*seconds) * time.Second, nil
}

// stream is a call of Subscribe in progress.
type stream struct {
	*core.Stream
	call        *varlinkwire.Call
	heartbeat   time.Duration   // 0: none
	sent        time.Time       // when something was last sent, if there are heartbeats
	wait        context.Context // ends when a heartbeat may be due, nil: make a new one
	stopWaiting context.CancelFunc
	mark        []byte // memory for marks
}

// run sends the stream until it ends. The error is nil if the client was notified of
// the end.
func (s *stream) run() error {
	defer s.endWait()
	first := mark{ready: true, live: !s.Past(), continues: true}
	for err := s.sendMark(first); ; {
		if err != nil {
			return err
		}
		var d *feed.Delivery
		d, err = s.next()
		switch {
		case errors.Is(err, io.EOF):
			return s.sendMark(mark{})
		case err != nil:
			return err
		case d == nil:
			err = s.sendMark(mark{continues: true})
		case d.Live:
			err = s.sendMark(mark{live: true, continues: true})
		default:
			err = s.noteSent(s.call.WriteFrames(d.Frames))
		}
	}
}

// next waits for something to send; no delivery means a heartbeat. Its timer is set
// again only when it has expired, not with everything that is sent.
func (s *stream) next() (*feed.Delivery, error) {
	if s.heartbeat == 0 {
		return s.Next(s.Context())
	}
	for {
		if s.wait == nil {
			s.wait, s.stopWaiting = context.WithDeadline(s.Context(), s.sent.Add(s.heartbeat))
		}
		d, err := s.Next(s.wait)
		if !errors.Is(err, context.DeadlineExceeded) || s.Context().Err() != nil {
			return d, err
		}
		s.endWait()
		if time.Since(s.sent) >= s.heartbeat {
			return nil, nil
		}
	}
}

func (s *stream) endWait() {
	if s.wait != nil {
		s.stopWaiting()
		s.wait = nil
	}
}

// mark is a reply without an event.
type mark struct{ ready, live, continues bool }

// sendMark sends a mark with the cursor of the stream's position.
func (s *stream) sendMark(m mark) error {
	b := append(s.mark[:0], `{"parameters":{`...)
	if m.ready {
		b = append(b, `"ready":true,`...)
	}
	if m.live {
		b = append(b, `"live":true,`...)
	}
	b = append(b, `"cursor":`...)
	b = eventjson.AppendCursor(b, s.Cursor())
	b = append(b, '}')
	if m.continues {
		b = append(b, `,"continues":true`...)
	}
	s.mark = append(b, "}\x00"...)
	return s.noteSent(s.call.WriteFrame(s.mark))
}

func (s *stream) noteSent(err error) error {
	if s.heartbeat > 0 {
		s.sent = time.Now()
	}
	return sent(err)
}
