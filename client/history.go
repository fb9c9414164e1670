package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/eventline"
)

// Query selects past events. The zero value selects all. Its JSON is the parameters of
// GetEvents.
type Query struct {
	// Filters are strings in the form that events.ParseFilters parses.
	Filters []string `json:"filters,omitempty"`
	// Since and Until bound the time of the events, both exclusive, in the forms that
	// events.ParseTime parses; empty means no bound.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
	// After is a cursor: only events after it.
	After string `json:"after,omitempty"`
	// Limit is the most events to return in all; 0 means all.
	Limit int `json:"limit,omitempty"`
	// AllUsers selects the events of every user that the caller may read, not only
	// those of its own uid. So does a filter on uid.
	AllUsers bool `json:"allUsers,omitempty"`
}

// Page is a part of the past.
type Page struct {
	// Events are at most one page, oldest first.
	Events []events.Event
	// Cursor is where the page ends, which may be after events that did not match: give
	// it as After to continue, in GetEvents, History or Subscribe.
	Cursor string
	// Complete: everything up to the end of the store was read.
	Complete bool
}

// GetEvents returns one page of past events. Give its Cursor as After for the
// next one, until it is Complete; or let History do that.
func (c *Client) GetEvents(ctx context.Context, q Query) (*Page, error) {
	reply := pageReply{copies: true} // another call may use the connection at once
	if err := c.call(ctx, "GetEvents", q, &reply, true); err != nil {
		return nil, err
	}
	page := &Page{Events: make([]events.Event, len(reply.events)), Cursor: reply.cursor, Complete: reply.complete}
	for i := range reply.events {
		if err := reply.events[i].into(&page.Events[i], &reply.copied); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// History iterates over past events, from the oldest selected one to the end of the
// store at the time of the call. It has its own connection, and holds up to eight pages:
// others are read while the caller uses one. It is not safe for concurrent use, except
// for Close.
type History struct {
	conn   *conn
	closed chan struct{}
	close  func() error

	ahead chan *pageReply // gets each page except the first; closed after the last
	ended error           // why there are no more, set before ahead is closed

	page   *pageReply
	next   int
	last   bool // no page follows
	err    error
	cursor string // before the page; after it if it has no events
	clock  *eventline.Clock
}

// History reads past events. The context bounds only the start of the call.
func (c *Client) History(ctx context.Context, q Query) (*History, error) {
	cn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := cn.send(ctx, "GetEvents", q, true); err != nil {
		_ = cn.Close()
		return nil, err
	}
	h := &History{conn: cn, closed: make(chan struct{}), ahead: make(chan *pageReply, maxPages-2)}
	page := new(pageReply)
	continues, err := h.read(ctx, page)
	if err != nil {
		_ = cn.Close()
		return nil, err
	}
	reading := make(chan struct{})
	h.close = sync.OnceValue(func() error {
		close(h.closed)
		err := cn.Close()
		<-reading
		return err
	})
	h.turnTo(page)
	h.last = !continues
	go func() {
		defer close(reading)
		if continues {
			h.readAhead()
		}
	}()
	return h, nil
}

// read reads a page, and reports whether another one follows.
func (h *History) read(ctx context.Context, page *pageReply) (continues bool, err error) {
	frame, err := h.conn.receive(ctx, 0)
	if err != nil {
		return false, err
	}
	continues, err = decode(frame, page)
	page.memory = h.conn.in.handOver(page.memory)
	return continues, err
}

// maxPages is how many pages are held: one in use, one being read and the others between
// them, so that neither the service nor the caller often waits for the other. With
// two, printing a long history takes a tenth longer.
const maxPages = 8

// readAhead reads the pages after the first. It uses one again when the caller has taken
// the next one.
func (h *History) readAhead() {
	defer close(h.ahead)
	var pages [maxPages]pageReply
	for n, continues := 0, true; continues; n++ {
		page := &pages[n%maxPages]
		if continues, h.ended = h.read(context.Background(), page); h.ended != nil {
			return
		}
		select {
		case h.ahead <- page:
		case <-h.closed:
			return
		}
	}
}

// turn waits for the next page.
func (h *History) turn(ctx context.Context) error {
	select {
	case page, more := <-h.ahead:
		switch {
		case more:
			h.turnTo(page)
		case h.ended != nil:
			h.err = h.ended
		default:
			h.last = true
		}
		return h.err
	case <-h.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *History) turnTo(page *pageReply) {
	if h.page != nil {
		h.cursor = h.page.cursor
	}
	if h.page, h.next = page, 0; len(page.events) == 0 {
		h.cursor = page.cursor
	}
}

// Next returns the next event, and io.EOF after the last one. When its context ends it
// returns the context's error and may be called again; every other error is permanent.
func (h *History) Next(ctx context.Context) (e events.Event, err error) {
	err = h.NextInto(ctx, &e)
	return e, err
}

// NextInto is Next for many events: it fills in the caller's event, and reuses the
// event's map for the attributes. On an error the event is unchanged.
func (h *History) NextInto(ctx context.Context, e *events.Event) error {
	return h.take(ctx, func(sent *sentEvent) error { return sent.into(e, &h.page.copied) })
}

// NextLine is Next for programs that print events: it appends the event to dst as a
// line, without the newline. It is faster, because it decodes only what has another
// form in the line.
func (h *History) NextLine(ctx context.Context, dst []byte, as Line) (line []byte, err error) {
	if h.clock == nil || h.clock.Zone() != as.zone() {
		h.clock = eventline.NewClock(as.zone())
	}
	err = h.take(ctx, func(sent *sentEvent) error { line, err = sent.appendLine(dst, as, h.clock); return err })
	if err != nil {
		return dst, err
	}
	return line, nil
}

// take passes the next event to a function.
func (h *History) take(ctx context.Context, take func(*sentEvent) error) error {
	select {
	case <-h.closed:
		return ErrClosed
	default:
	}
	for h.next == len(h.page.events) {
		switch {
		case h.err != nil:
			return h.err
		case h.last:
			return io.EOF
		}
		if err := h.turn(ctx); err != nil {
			return err
		}
	}
	if err := take(&h.page.events[h.next]); err != nil {
		return err
	}
	h.next++
	return nil
}

// All returns the remaining events, for use with range. An error other than
// the end of the history is yielded last.
func (h *History) All(ctx context.Context) iter.Seq2[events.Event, error] { return all(ctx, h.Next) }

// Cursor returns the cursor after the last event that Next returned, or, at the end of
// a page, after those that did not match.
func (h *History) Cursor() string {
	switch h.next {
	case 0:
		return h.cursor
	case len(h.page.events):
		return h.page.cursor
	}
	return h.page.events[h.next-1].cursor()
}

// Buffered reports whether Next would return without waiting for the service.
func (h *History) Buffered() bool { return h.next < len(h.page.events) || h.last }

// Close closes the connection. It may be called while Next waits, which then
// returns ErrClosed.
func (h *History) Close() error { return h.close() }

// all turns a Next into a sequence that ends at io.EOF or with an error.
func all(ctx context.Context, next func(context.Context) (events.Event, error)) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		for {
			e, err := next(ctx)
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// absolute returns a time that does not depend on when it is evaluated, so that a call
// can be repeated with it. The service refuses what cannot be parsed.
func absolute(bound events.Bound, value string, now time.Time) string {
	if value == "" {
		return ""
	}
	t, err := events.ParseTime(bound, value, now)
	if err != nil {
		return value
	}
	return t.UTC().Format(time.RFC3339Nano)
}
