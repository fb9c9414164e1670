package dbus

import (
	"context"
	"io"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// pageEvent is about how long an event in a page may be.
const pageEvent = limits.DBusPageEvent

// pageOptions are the options of GetEvents.
var pageOptions = map[string]string{"since": "s", "until": "s", "after": "s", "limit": dbuswire.AnyInteger, "all_users": "b"}

// getEvents answers with one page of past events.
func (k *call) getEvents(d *dbuswire.Decoder) error {
	r, err := k.request(d, pageOptions)
	if err != nil {
		return err
	}
	p := &page{left: limits.PageEvents}
	if limit, ok := r.options["limit"]; ok {
		n, ok := limit.Integer(1, 1<<63-1)
		if !ok {
			return dbuswire.InvalidArgs("option 'limit' must be at least 1")
		}
		p.left = int(min(n, limits.PageEvents))
	}
	if p.reading, err = k.server.feed.Read(k.Context(), r.after, r.query); err != nil {
		return err
	}
	defer p.reading.Close()
	p.batch = batches.Get().(*feed.Batch)
	defer batches.Put(p.batch)
	if err := p.make(k.Context()); err != nil {
		return err
	}
	return k.Reply("a("+eventSignature+")sb", p.Bytes())
}

// page is a reply of GetEvents while it is made.
type page struct {
	dbuswire.Encoder
	reading feed.Reading
	batch   *feed.Batch
	rest    []feed.Record // of batch, not yet in the page
	failed  error         // what the reading failed with, io.EOF at its end
	left    int           // how many events may still be in the page
}

// make encodes events, the cursor behind them, and whether that is the end of
// the store.
func (p *page) make(ctx context.Context) error {
	var cursor string
	list := p.Begin(8)
	count := 0
	for p.left > 0 && p.fetch(ctx) {
		before := len(p.Buf)
		p.Align(8)
		appendEvent(&p.Encoder, &p.rest[0], pageEvent)
		if count > 0 && p.Size() > limits.PageBytes {
			p.Buf = p.Buf[:before]
			break
		}
		cursor = string(p.rest[0].Cursor)
		p.rest = p.rest[1:]
		p.left--
		count++
	}
	p.End(list)
	// A page that is full may be the last: looking for the next event goes as
	// far as the caller's next call would have to, and spares it that call if
	// there is none.
	complete := !p.fetch(ctx) && errors.Is(p.failed, io.EOF)
	if p.failed != nil && !complete && count == 0 {
		return p.failed
	}
	if complete {
		var err error
		if cursor, err = p.reading.Cursor(); err != nil {
			return err
		}
	}
	p.Text(cursor)
	p.Bool(complete)
	return nil
}

// fetch makes sure that there is a record in rest. It returns false at the end
// of the reading, or when it failed.
func (p *page) fetch(ctx context.Context) bool {
	if len(p.rest) == 0 && p.failed == nil {
		p.failed = p.reading.Next(ctx, p.batch)
		p.rest = p.batch.Records
	}
	return len(p.rest) > 0
}
