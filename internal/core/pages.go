package core

import (
	"context"
	"io"
	"sync"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// batches are reused by later readings: their buffers are large.
var batches = sync.Pool{New: func() any { return new(feed.Batch) }}

// keep puts a batch back, unless it has grown.
func keep(b *feed.Batch) {
	if b.Size() <= limits.PastBatch {
		batches.Put(b)
	}
}

// Pages are past events in pages, until Close is called.
type Pages struct {
	ctx     context.Context
	leave   func()
	past    feed.Past
	reading feed.Reading
	batch   *feed.Batch
	rest    []feed.Record // of batch, not yet in a page
	failed  error         // the error of the reading, io.EOF at its end
	left    int64         // how many more events may be sent
	cursor  string        // where the last page ended
	last    []byte        // the cursor of the last event of the page
}

// Page is a page while an interface encodes it.
type Page interface {
	// Add adds an event, and returns how long the page is then in bytes.
	Add(r *feed.Record) (size int)
	// Drop removes the event added last.
	Drop()
}

// End is where a page ended.
type End struct {
	// Cursor is the place, which may be after events that did not match.
	Cursor string
	// Complete: everything up to the end of the store was read. Last: there is no
	// further page, for that reason or because of the limit.
	Complete, Last bool
}

// AllEvents is the limit of a call that sets none.
const AllEvents = 1<<63 - 1

// Pages begins to read past events, at most limit of them. It waits for the caller's
// turn.
func (c *Core) Pages(ctx context.Context, who *Caller, q Query, limit int64) (*Pages, error) {
	if limit < 1 {
		return nil, InvalidValue("limit", "'limit' must be at least 1")
	}
	ctx, leave, err := c.read(ctx, who, &q)
	if err != nil {
		return nil, err
	}
	p := &Pages{ctx: ctx, leave: leave, past: c.newPast(&who.Peer), left: limit}
	opened := false
	defer func() {
		if !opened { // it failed, or the store panicked
			p.Close()
		}
	}()
	if err := p.past.Enter(ctx); err != nil {
		return nil, cause(ctx, err)
	}
	reading, err := c.feed.Read(ctx, q.after, q.choice)
	if err != nil {
		return nil, cause(ctx, err)
	}
	p.reading, p.batch, opened = reading, batches.Get().(*feed.Batch), true
	return p, nil
}

// Close frees the resources of the pages.
func (p *Pages) Close() {
	if p.reading != nil {
		p.reading.Close()
		keep(p.batch)
	}
	p.past.Leave()
	p.leave()
}

// Cursor is where the last page ended, "" before the first.
func (p *Pages) Cursor() string { return p.cursor }

// Next fills the next page, with at most limits.PageEvents events and
// limits.PageBytes bytes, or one event that is longer.
func (p *Pages) Next(page Page) (End, error) {
	end, err := p.next(page)
	return end, cause(p.ctx, err)
}

func (p *Pages) next(page Page) (end End, err error) {
	events, size := 0, 0
	for events < limits.PageEvents && p.left > 0 && p.fetch() {
		record := &p.rest[0]
		size = page.Add(record)
		if events > 0 && size > limits.PageBytes {
			page.Drop()
			break
		}
		p.last = append(p.last[:0], record.Cursor...) // which the next batch overwrites
		p.rest = p.rest[1:]
		events++
		p.left--
	}
	if events > 0 {
		end.Cursor = string(p.last)
	}
	// A full page may be the last. Looking for the next event reads as far as the
	// client's next call would, and saves that call if there is no event.
	end.Complete = !p.fetch() && errors.Is(p.failed, io.EOF)
	if p.failed != nil && !end.Complete && events == 0 {
		return end, p.failed
	}
	if end.Complete {
		if end.Cursor, err = p.reading.Cursor(); err != nil {
			return end, err
		}
	}
	end.Last = end.Complete || p.left == 0
	p.cursor = end.Cursor
	p.past.Hold(p.batch.Size() + size)
	return end, nil
}

// fetch makes sure that there is a record in rest. It returns false at the end of the
// reading, or if it failed.
func (p *Pages) fetch() bool {
	if len(p.rest) > 0 || p.failed != nil {
		return len(p.rest) > 0
	}
	if p.batch.Size() > limits.PastBatch {
		*p.batch = feed.Batch{}
	}
	if p.failed = p.past.Begin(p.ctx, p.batch.Size()); p.failed == nil {
		p.failed = p.reading.Next(p.ctx, p.batch)
		p.past.Hold(p.batch.Size())
		p.rest = p.batch.Records
	}
	return len(p.rest) > 0
}

// Last finds the newest event that matches, and calls found with it; the error is
// events.ErrEventNotFound if there is none. The record is valid during that call.
func (c *Core) Last(ctx context.Context, who *Caller, q Query, found func(r *feed.Record) error) error {
	ctx, leave, err := c.read(ctx, who, &q)
	if err != nil {
		return err
	}
	defer leave()
	p := c.newPast(&who.Peer)
	defer p.Leave()
	if err := p.Enter(ctx); err != nil {
		return cause(ctx, err)
	}
	if err := p.Begin(ctx, 0); err != nil {
		return cause(ctx, err)
	}
	batch := batches.Get().(*feed.Batch)
	defer keep(batch)
	record, err := c.feed.Last(ctx, q.choice, batch)
	if err != nil {
		return cause(ctx, err)
	}
	p.Hold(batch.Size())
	return found(record)
}
