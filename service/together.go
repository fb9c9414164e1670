package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Calls of WriteEvent that a client sends before it is answered are stored
// together: as many as lie in the buffer of the connection, in one write to the
// log. Each is checked, stored or refused, and answered by itself and in its
// turn, once its event is in the store. Nobody waits for more of them to come.

// maxTogether is how many calls are stored together at most, so that the first
// is not held up by all the others.
const maxTogether = 256

// storing is a call of WriteEvent on its way.
type storing struct {
	oneway bool
	cursor string // that it is answered with
	fault  *fault // or why it is refused
}

// together are calls that are stored together.
type together struct {
	calls  []storing
	batch  []events.Event // of those that are not refused, in their order
	memory eventMemory    // of events of the batch
	kept   bool           // the store may still be busy with the batch
	reply  []byte         // memory for the replies
}

var togethers = sync.Pool{New: func() any { return new(together) }}

// release gives the memory back, but for that of refusals of any length.
func (t *together) release() {
	if t.kept {
		return
	}
	clear(t.calls)
	clear(t.batch)
	t.memory.clear()
	if t.calls, t.batch = t.calls[:0], t.batch[:0]; cap(t.reply) > limits.BusyReadBuffer {
		t.reply = nil
	}
	togethers.Put(t)
}

func (r *request) isWriteEvent() bool { return r.fault == nil && r.method == writeEventMethod }

// handleWrites answers the calls of WriteEvent that have come in, of which the
// first has been understood. An error means that the connection has to end.
func (c *conn) handleWrites(t *together) error {
	most := min(1+c.in.ready(), maxTogether)
	t.calls, t.batch = slices.Grow(t.calls, most-1), slices.Grow(t.batch, most-1)
	for len(t.calls) < most {
		frame, ok := c.in.peek()
		if !ok {
			break
		}
		if !c.understandQuickly(frame, t) {
			r, err := parseRequest(frame)
			if err != nil || !r.isWriteEvent() {
				break // to be read again, in its turn
			}
			c.understand(&r, t)
		}
		c.in.take(frame)
	}
	c.in.release()
	if err := c.server.guard.Run(writeEventMethod, &c.peer, func() error { c.server.face.store(c, t); return nil }); err != nil {
		t.kept = true
		failed := c.server.unavailable(eventsInterface, core.ErrPanicked.Error())
		for i := range t.calls {
			t.calls[i].fault = failed
		}
	}
	return c.answer(t)
}

// handleQuickly answers a call of WriteEvent as programs write it, and those
// behind it. It returns false for a frame that is none.
func (c *conn) handleQuickly(frame []byte) (ok bool, err error) {
	t := togethers.Get().(*together)
	defer t.release()
	if !c.understandQuickly(frame, t) {
		return false, nil
	}
	return true, c.handleWrites(t)
}

// understandQuickly adds a call if it is one of WriteEvent as programs write it.
func (c *conn) understandQuickly(frame []byte, t *together) bool {
	n := len(t.batch)
	t.batch = append(t.batch, events.Event{})
	if !readWriteEvent(frame, time.Now(), &t.batch[n], &t.memory) {
		t.batch = t.batch[:n]
		return false
	}
	var s storing
	if c.server.face.admit(&Call{conn: c}, writeEvent) != nil {
		t.batch, s.fault = t.batch[:n], permissionDenied
	}
	t.calls = append(t.calls, s)
	return true
}

// understand adds a call, checked as it would be if it came alone.
func (c *conn) understand(r *request, t *together) {
	call := &Call{conn: c, more: r.more, oneway: r.oneway}
	s := storing{oneway: r.oneway, fault: c.server.interfaces[eventsInterface].refuse(call, r, writeEvent)}
	if s.fault == nil {
		in := decodeNewEvent(r.parameters)
		if event, err := newEvent(&in, time.Now()); err != nil {
			s.fault = c.server.face.faultOf(call, err, "")
		} else {
			t.batch = append(t.batch, event)
		}
	}
	t.calls = append(t.calls, s)
}

// store stores the events of the calls that were not refused. It goes on when
// the client is gone: what was asked for is done.
func (f *eventsFace) store(c *conn, t *together) {
	if len(t.batch) == 0 {
		return
	}
	results := f.feed.Write(c.server.base, t.batch)
	for i := range t.calls {
		s := &t.calls[i]
		if s.fault != nil {
			continue
		}
		result := results[0]
		if results = results[1:]; result.Err != nil {
			s.fault, t.kept = f.notStored(c, result.Err), true
		} else {
			s.cursor = result.Cursor
		}
	}
}

func (f *eventsFace) notStored(c *conn, err error) *fault {
	if errors.Is(err, context.Canceled) {
		err = ErrStopping // before it was its turn
	}
	return f.faultOf(&Call{conn: c}, err, "")
}

// answer sends the replies in the order of the calls, in one write.
func (c *conn) answer(t *together) error {
	const size = 64 // of a reply with a cursor
	replies := slices.Grow(t.reply[:0], len(t.calls)*size)
	for i := range t.calls {
		s := &t.calls[i]
		switch {
		case s.oneway:
		case s.fault != nil:
			frame, err := s.fault.frame()
			if err != nil {
				return err
			}
			replies = append(replies, frame...)
		default:
			replies = appendWritten(replies, s.cursor)
		}
	}
	t.reply = replies
	if len(replies) == 0 {
		return nil
	}
	return c.out.writeOne(replies)
}
