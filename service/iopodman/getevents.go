package iopodman

import (
	"context"
	"io"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/service"
)

// GetEvents follows the events, or answers with the oldest one.
func (f *handler) GetEvents(ctx context.Context, c VarlinkCall, filter *[]string, since, until *string) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	q, err := query(filter, since, until, time.Now())
	if err != nil {
		return f.fail(call, err)
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err)
	}
	defer stop()
	if call.More() {
		return f.follow(ctx, call, q)
	}
	return f.answer(ctx, call, q)
}

// query makes a query of a call's parameters. Absent and empty are the same.
func query(filter *[]string, since, until *string, now time.Time) (core.Query, error) {
	var texts []string
	if filter != nil {
		texts = *filter
	}
	filters, err := parseFilters(texts)
	if err != nil {
		return core.Query{}, err
	}
	q := core.NewQuery(filters)
	if since != nil && *since != "" {
		t, err := parseTime(events.Since, *since, now)
		if err != nil {
			return q, err
		}
		q.Since(t)
	}
	if until != nil && *until != "" {
		t, err := parseTime(events.Until, *until, now)
		if err != nil {
			return q, err
		}
		q.Until(t)
	}
	return q, nil
}

// follow sends events until the client disconnects, or until has passed.
func (f *handler) follow(ctx context.Context, call *varlinkwire.Call, q core.Query) error {
	s, err := f.core.Subscribe(ctx, service.Caller(call), q, f.format, "legacy")
	if err != nil {
		return f.fail(call, err)
	}
	defer s.Close()
	for {
		d, err := s.Next(s.Context())
		if errors.Is(err, io.EOF) {
			return call.WriteFrame([]byte(blankFrame))
		}
		if err != nil {
			return f.fail(call, err)
		}
		if len(d.Frames) > 0 {
			if err := call.WriteFrames(d.Frames); err != nil {
				return err
			}
		}
	}
}

// answer sends the oldest event, or a blank one.
func (f *handler) answer(ctx context.Context, call *varlinkwire.Call, q core.Query) error {
	p, err := f.core.Pages(ctx, service.Caller(call), q, 1)
	if err != nil {
		return f.fail(call, err)
	}
	defer p.Close()
	var oldest only
	if _, err := p.Next(&oldest); err != nil {
		return f.fail(call, err)
	}
	if len(oldest.frame) == 0 {
		oldest.frame = []byte(blankFrame)
	}
	return call.WriteFrame(oldest.frame)
}

// only is a page of one event.
type only struct{ frame []byte }

// Add makes the reply of the event.
func (o *only) Add(r *feed.Record) (size int) {
	o.frame = appendOnlyFrame(o.frame[:0], r)
	return len(o.frame)
}

// Drop removes it.
func (o *only) Drop() { o.frame = o.frame[:0] }
