package iopodman

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/service"
)

// GetEvents follows the events, or answers with the oldest one.
func (f *face) GetEvents(ctx context.Context, c VarlinkCall, filter *[]string, since, until *string) error {
	call := service.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	request, err := f.request(call, filter, since, until, time.Now())
	if err != nil {
		return f.fail(call, err)
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err)
	}
	defer stop()
	if call.More() {
		return f.follow(ctx, call, request)
	}
	return f.answer(ctx, call, request)
}

// request understands the parameters of a call.
func (f *face) request(call *service.Call, filter *[]string, since, until *string, now time.Time) (feed.Request, error) {
	r, err := parseRequest(filter, since, until, now)
	if err != nil {
		return r, err
	}
	if f.feed.Type() == events.Null {
		return r, events.ErrNoReading
	}
	r.Format = f.format
	return r, f.access.View(call.Peer(), &r.Query, false)
}

// parseRequest understands what a call asks for, whoever calls. Absent and
// empty are the same.
func parseRequest(filter *[]string, since, until *string, now time.Time) (feed.Request, error) {
	r := feed.Request{Query: feed.Everything(), Face: "legacy"}
	var filters []string
	if filter != nil {
		filters = *filter
	}
	var err error
	if r.Query.Filters, err = parseFilters(filters); err != nil {
		return r, err
	}
	if since != nil && *since != "" {
		t, err := parseTime(events.Since, *since, now)
		if err != nil {
			return r, err
		}
		r.Query.SetSince(t)
		r.History = true
	}
	if until != nil && *until != "" {
		t, err := parseTime(events.Until, *until, now)
		if err != nil {
			return r, err
		}
		r.Query.SetUntil(t)
		r.Until, r.History = t, true
	}
	return r, nil
}

// follow sends events until the client is gone, or until has passed.
func (f *face) follow(ctx context.Context, call *service.Call, r feed.Request) error {
	leavePast := func() {}
	if r.History {
		var err error
		if leavePast, err = call.ReadPast(ctx); err != nil {
			return f.fail(call, cause(ctx, err))
		}
		defer leavePast()
	}
	s, err := f.feed.Subscribe(ctx, r)
	if err != nil {
		return f.fail(call, cause(ctx, err))
	}
	defer s.Close()
	for {
		d, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return call.WriteFrame([]byte(blankFrame))
		}
		if err != nil {
			return f.fail(call, cause(ctx, err))
		}
		if d.Live { // what follows is new
			leavePast()
		}
		if len(d.Frames) > 0 {
			if err := call.WriteFrames(d.Frames); err != nil {
				return err
			}
		}
	}
}

// batches are kept for the next call.
var batches = sync.Pool{New: func() any { return new(feed.Batch) }}

// answer sends the oldest event, or a blank one.
func (f *face) answer(ctx context.Context, call *service.Call, r feed.Request) error {
	leavePast, err := call.ReadPast(ctx)
	if err != nil {
		return f.fail(call, cause(ctx, err))
	}
	defer leavePast()
	reading, err := f.feed.Read(ctx, "", r.Query)
	if err != nil {
		return f.fail(call, cause(ctx, err))
	}
	defer reading.Close()
	batch := batches.Get().(*feed.Batch)
	defer batches.Put(batch)
	err = reading.Next(ctx, batch)
	switch {
	case errors.Is(err, io.EOF):
		return call.WriteFrame([]byte(blankFrame))
	case err != nil:
		return f.fail(call, cause(ctx, err))
	}
	return call.WriteFrame(appendOnlyFrame(nil, &batch.Records[0]))
}
