package service

import (
	"context"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
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
	calls []storing
	batch []events.Event // of those that are not refused, in their order
}

func (r *request) isWriteEvent() bool { return r.fault == nil && r.method == writeEventMethod }

// handleWrites answers a call of WriteEvent, and those behind it that have come
// in already. An error means that the connection has to end.
func (c *conn) handleWrites(first *request) error {
	most := min(1+c.in.ready(), maxTogether)
	t := together{calls: make([]storing, 0, most), batch: make([]events.Event, 0, most)}
	for c.understand(first, &t); len(t.calls) < most; {
		frame, ok := c.in.peek()
		if !ok {
			break
		}
		r, err := parseRequest(frame)
		if err != nil || !r.isWriteEvent() {
			break // to be read again, in its turn
		}
		c.understand(&r, &t)
		c.in.take(frame)
	}
	c.in.release()
	if err := c.protect(first.method, func() error { c.server.face.store(c, &t); return nil }); err != nil {
		failed := c.server.unavailable(eventsInterface, failedReason)
		for i := range t.calls {
			t.calls[i].fault = failed
		}
	}
	return c.answer(t.calls)
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
	cursors, err := f.feed.Write(c.server.base, t.batch)
	if errors.Is(err, context.Canceled) {
		err = ErrStopping // before it was their turn
	}
	for i := range t.calls {
		s := &t.calls[i]
		switch {
		case s.fault != nil:
		case err != nil:
			s.fault = f.faultOf(&Call{conn: c}, err, "")
		default:
			s.cursor, cursors = cursors[0], cursors[1:]
		}
	}
}

// answer sends the replies in the order of the calls, in one write.
func (c *conn) answer(calls []storing) error {
	const size = 64 // of a reply with a cursor
	replies := make([]byte, 0, len(calls)*size)
	for i := range calls {
		s := &calls[i]
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
	if len(replies) == 0 {
		return nil
	}
	return c.out.writeOne(replies)
}
