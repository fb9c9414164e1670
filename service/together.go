package service

import (
	"time"

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
	event  events.Event
	cursor string // that it is answered with
	fault  *fault // or why it is refused
}

func (r *request) isWriteEvent() bool { return r.fault == nil && r.method == writeEventMethod }

// handleWrites answers a call of WriteEvent, and those behind it that have come
// in already. An error means that the connection has to end.
func (c *conn) handleWrites(first *request) error {
	var one [1]storing
	calls := append(one[:0], c.understand(first))
	for len(calls) < maxTogether {
		frame, ok := c.in.peek()
		if !ok {
			break
		}
		r, err := parseRequest(frame)
		if err != nil || !r.isWriteEvent() {
			break // to be read again, in its turn
		}
		calls = append(calls, c.understand(&r))
		c.in.take(frame)
	}
	c.in.release()
	if err := c.protect(first.method, func() error { c.server.face.store(c, calls); return nil }); err != nil {
		failed := c.server.unavailable(eventsInterface, failedReason)
		for i := range calls {
			calls[i].fault = failed
		}
	}
	return c.answer(calls)
}

// understand checks a call as it would be if it came alone.
func (c *conn) understand(r *request) (s storing) {
	s.oneway = r.oneway
	call := &Call{conn: c, more: r.more, oneway: r.oneway}
	if s.fault = c.server.interfaces[eventsInterface].refuse(call, r, writeEvent); s.fault != nil {
		return s
	}
	in := decodeNewEvent(r.parameters)
	var err error
	if s.event, err = newEvent(&in, time.Now()); err != nil {
		s.fault = c.server.face.faultOf(call, err, "")
	}
	return s
}

// store stores the events of the calls that were not refused. It goes on when
// the client is gone: what was asked for is done.
func (f *eventsFace) store(c *conn, calls []storing) {
	var one [1]events.Event
	batch := one[:0]
	for i := range calls {
		if calls[i].fault == nil {
			batch = append(batch, calls[i].event)
		}
	}
	if len(batch) == 0 {
		return
	}
	cursors, err := f.feed.Write(c.server.base, batch)
	for i := range calls {
		s := &calls[i]
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
