package service

import (
	"context"
	"strconv"
	"sync"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// GetEvents answers with one page of past events, or with all of them in pages.
func (f *handler) GetEvents(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string,
	since, until, after *string, limit *int64, allUsers *bool,
) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	q, err := query(filters, since, until, after, nil, allUsers)
	if err != nil {
		return f.fail(call, err, "")
	}
	most := int64(core.AllEvents)
	if limit != nil {
		most = *limit
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	p, err := f.core.Pages(ctx, Caller(call), q, most)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer p.Close()
	frame := pages.Get().(*page)
	defer frame.release()
	defer call.Widen(false)
	for {
		frame.begin()
		end, err := p.Next(frame)
		if err != nil {
			return f.fail(call, err, p.Cursor())
		}
		end.Last = end.Last || !call.More()
		call.Widen(!end.Last)
		if err := call.WriteFrame(frame.end(end)); err != nil {
			return err
		}
		if end.Last {
			return nil
		}
	}
}

// page is a reply of GetEvents being built.
type page struct {
	b      []byte
	before int // its length before the last event
	some   bool
}

// pages are reused by later calls, except the few that grew larger than a page.
var pages = sync.Pool{New: func() any { return new(page) }}

func (p *page) release() {
	if cap(p.b) <= 2*limits.PageBytes {
		pages.Put(p)
	}
}

func (p *page) begin() {
	p.b, p.some = append(p.b[:0], `{"parameters":{"events":[`...), false
}

// Add adds an event.
func (p *page) Add(r *feed.Record) (size int) {
	if p.before = len(p.b); p.some {
		p.b = append(p.b, ',')
	}
	p.b, p.some = eventjson.AppendEvent(p.b, r), true
	return len(p.b)
}

// Drop removes the event added last.
func (p *page) Drop() { p.b = p.b[:p.before] }

// end completes the reply.
func (p *page) end(end core.End) []byte {
	p.b = append(p.b, `],"cursor":`...)
	p.b = eventjson.AppendCursor(p.b, end.Cursor)
	p.b = append(p.b, `,"complete":`...)
	p.b = strconv.AppendBool(p.b, end.Complete)
	p.b = append(p.b, '}')
	if !end.Last {
		p.b = append(p.b, `,"continues":true`...)
	}
	p.b = append(p.b, "}\x00"...)
	return p.b
}
