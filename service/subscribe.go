package service

import (
	"context"
	"io"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// Subscribe sends events as they come, those of the past first if they are
// asked for.
func (f *eventsFace) Subscribe(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string,
	since, until, after *string, fromStart *bool, heartbeatSec *int64, allUsers *bool,
) error {
	call := CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	s, err := f.newStream(call, filters, since, until, after, fromStart, heartbeatSec, allUsers)
	if err != nil {
		return f.fail(call, err, "")
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	if s.request.History {
		if s.leavePast, err = call.ReadPast(ctx); err != nil {
			return f.fail(call, cause(ctx, err), "")
		}
		defer s.leavePast()
	}
	if s.subscription, err = f.feed.Subscribe(ctx, s.request); err != nil {
		return f.fail(call, cause(ctx, err), "")
	}
	defer s.subscription.Close()
	if err = s.run(ctx); err != nil {
		return f.fail(call, cause(ctx, err), s.subscription.Cursor())
	}
	return nil
}

// stream is a call of Subscribe that has been understood.
type stream struct {
	call         *Call
	request      feed.Request
	subscription *feed.Subscription
	heartbeat    time.Duration   // 0: none
	sent         time.Time       // when something was last sent, if there are heartbeats
	wait         context.Context // ends when a heartbeat may be due, nil: begin a new one
	stopWaiting  context.CancelFunc
	leavePast    func() // to be called when the past has been read, if it is asked for
	mark         []byte // memory for marks
}

func (f *eventsFace) newStream(call *Call, filters *[]string, since, until, after *string, fromStart *bool,
	heartbeatSec *int64, allUsers *bool,
) (*stream, error) {
	query, err := f.query(call, filters, allUsers)
	if err != nil {
		return nil, err
	}
	s := &stream{call: call, request: feed.Request{Query: query, Format: f.format, Face: "varlink"}}
	if s.request.Until, err = setBounds(&s.request.Query, since, until, time.Now()); err != nil {
		return nil, err
	}
	if s.request.After, err = checkAfter(after); err != nil {
		return nil, err
	}
	wantsAll := fromStart != nil && *fromStart
	if wantsAll && after != nil {
		return nil, &paramError{"fromStart"}
	}
	s.request.History = wantsAll || since != nil || until != nil || after != nil
	if heartbeatSec != nil {
		const least, most = int64(limits.ShortestHeartbeat / time.Second), int64(limits.LongestHeartbeat / time.Second)
		if *heartbeatSec < least || *heartbeatSec > most {
			return nil, &paramError{"heartbeatSec"}
		}
		s.heartbeat = time.Duration(*heartbeatSec) * time.Second
	}
	return s, nil
}

// run sends the stream until it ends. The error is nil if the client was told
// that it did.
func (s *stream) run(ctx context.Context) error {
	defer s.endWait()
	first := mark{ready: true, live: !s.request.History, continues: true}
	for err := s.sendMark(first); ; {
		if err != nil {
			return err
		}
		var d *feed.Delivery
		d, err = s.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return s.sendMark(mark{})
		case err != nil:
			return err
		case d == nil:
			err = s.sendMark(mark{continues: true})
		case d.Live:
			if s.request.History {
				s.leavePast()
				err = s.sendMark(mark{live: true, continues: true})
			}
		default:
			err = s.sendFrames(d)
		}
	}
}

// next waits for something to send. No delivery is a heartbeat. The clock for
// that is set anew only when it has run out, not with everything that is sent.
func (s *stream) next(ctx context.Context) (*feed.Delivery, error) {
	if s.heartbeat == 0 {
		return s.subscription.Next(ctx)
	}
	for {
		if s.wait == nil {
			s.wait, s.stopWaiting = context.WithDeadline(ctx, s.sent.Add(s.heartbeat))
		}
		d, err := s.subscription.Next(s.wait)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
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

func (s *stream) sendFrames(d *feed.Delivery) error {
	err := s.call.WriteFrames(d.Frames)
	return s.noteSent(err)
}

// mark is a reply without an event.
type mark struct{ ready, live, continues bool }

// sendMark sends a mark with the cursor of where the stream is.
func (s *stream) sendMark(m mark) error {
	b := append(s.mark[:0], `{"parameters":{`...)
	if m.ready {
		b = append(b, `"ready":true,`...)
	}
	if m.live {
		b = append(b, `"live":true,`...)
	}
	b = append(b, `"cursor":`...)
	b = eventjson.AppendCursor(b, s.subscription.Cursor())
	b = append(b, '}')
	if m.continues {
		b = append(b, `,"continues":true`...)
	}
	s.mark = append(b, "}\x00"...)
	return s.noteSent(s.call.WriteFrame(s.mark))
}

func (s *stream) noteSent(err error) error {
	if err != nil {
		return writeError{err}
	}
	if s.heartbeat > 0 {
		s.sent = time.Now()
	}
	return nil
}
