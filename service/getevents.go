package service

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// GetEvents answers with one page of past events, or with all of them in pages.
func (f *eventsFace) GetEvents(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string,
	since, until, after *string, limit *int64, allUsers *bool,
) error {
	call := CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	leave, err := call.ReadPast(ctx)
	if err != nil {
		return f.fail(call, cause(ctx, err), "")
	}
	defer leave()
	p, err := f.newPager(ctx, call, filters, since, until, after, limit, allUsers)
	if err != nil {
		return f.fail(call, cause(ctx, err), "")
	}
	defer p.close()
	for {
		last, err := p.next(ctx)
		if err != nil {
			return f.fail(call, cause(ctx, err), p.cursor)
		}
		if err := call.WriteFrame(p.page); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// pager makes pages of past events.
type pager struct {
	reading feed.Reading
	batch   *feed.Batch
	rest    []feed.Record // of batch, not yet in a page
	failed  error         // what the reading failed with, io.EOF at its end
	more    bool          // there may be more than one page
	left    int64         // how many events may still be sent
	page    []byte        // the reply, complete
	end     []byte        // the cursor of the last event in a page
	cursor  string        // where the last page that was made ends; "" if the call is no stream
}

// pages are kept for the next call; the few that grew beyond a page are not.
var pages = sync.Pool{New: func() any { return new([]byte) }}

// allEvents is the limit of a call that gives none.
const allEvents = 1<<63 - 1

func (f *eventsFace) newPager(ctx context.Context, call *Call, filters *[]string, since, until, after *string,
	limit *int64, allUsers *bool,
) (*pager, error) {
	query, err := f.query(call, filters, allUsers)
	if err != nil {
		return nil, err
	}
	if _, err := setBounds(&query, since, until, time.Now()); err != nil {
		return nil, err
	}
	cursor, err := checkAfter(after)
	if err != nil {
		return nil, err
	}
	p := &pager{more: call.More(), left: allEvents}
	if limit != nil {
		if *limit < 1 {
			return nil, &paramError{"limit"}
		}
		p.left = *limit
	}
	if p.reading, err = f.feed.Read(ctx, cursor, query); err != nil {
		return nil, err
	}
	p.batch = batches.Get().(*feed.Batch)
	p.page = *pages.Get().(*[]byte)
	return p, nil
}

func (p *pager) close() {
	p.reading.Close()
	batches.Put(p.batch)
	if cap(p.page) <= 2*limits.PageBytes {
		pages.Put(&p.page)
	}
}

// next makes the next page. last reports whether no other will follow.
func (p *pager) next(ctx context.Context) (last bool, err error) {
	p.page = append(p.page[:0], `{"parameters":{"events":[`...)
	events, full := 0, false
	for !full && p.left > 0 && p.fetch(ctx) {
		record := &p.rest[0]
		size := len(p.page)
		if events > 0 {
			p.page = append(p.page, ',')
		}
		p.page = eventjson.AppendEvent(p.page, record)
		if events > 0 && len(p.page) > limits.PageBytes {
			p.page = p.page[:size]
			break
		}
		p.end = append(p.end[:0], record.Cursor...)
		p.rest = p.rest[1:]
		events++
		p.left--
		full = events == limits.PageEvents
	}
	// A page that is full may be the last: looking for the next event goes as
	// far as the client's next call would have to, and spares it that call if
	// there is none.
	complete := !p.fetch(ctx) && errors.Is(p.failed, io.EOF)
	if p.failed != nil && !complete && events == 0 {
		return true, p.failed
	}
	cursor := string(p.end)
	if complete {
		if cursor, err = p.reading.Cursor(); err != nil {
			return true, err
		}
	}
	last = complete || !p.more || p.left == 0
	p.finish(cursor, complete, last)
	if p.more {
		p.cursor = cursor
	}
	return last, nil
}

// fetch makes sure that there is a record in rest. It returns false at the end
// of the reading, or when it failed.
func (p *pager) fetch(ctx context.Context) bool {
	if len(p.rest) == 0 && p.failed == nil {
		p.failed = p.reading.Next(ctx, p.batch)
		p.rest = p.batch.Records
	}
	return len(p.rest) > 0
}

// finish completes the reply.
func (p *pager) finish(cursor string, complete, last bool) {
	p.page = append(p.page, `],"cursor":`...)
	p.page = eventjson.AppendCursor(p.page, cursor)
	p.page = append(p.page, `,"complete":`...)
	p.page = strconv.AppendBool(p.page, complete)
	p.page = append(p.page, '}')
	if !last {
		p.page = append(p.page, `,"continues":true`...)
	}
	p.page = append(p.page, "}\x00"...)
}
