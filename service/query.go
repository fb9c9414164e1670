package service

import (
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// batches are kept for readings of the past, whose buffers are large.
var batches = sync.Pool{New: func() any { return new(feed.Batch) }}

// query returns the choice of events that the filters make among those that the
// caller gets.
func (f *eventsFace) query(call *Call, filters *[]string, allUsers *bool) (query feed.Query, err error) {
	query = feed.Everything()
	if filters != nil {
		if err = core.CheckFilters(*filters); err != nil {
			return query, err
		}
		if query.Filters, err = events.ParseFilters(*filters); err != nil {
			return query, err
		}
	}
	return query, f.access.View(call.Peer(), &query, allUsers != nil && *allUsers)
}

// setBounds adds the bounds of time that were given. It returns the time of
// until, zero if it was not given.
func setBounds(query *feed.Query, since, until *string, now time.Time) (time.Time, error) {
	if since != nil {
		t, err := events.ParseTime(events.Since, *since, now)
		if err != nil {
			return time.Time{}, err
		}
		query.SetSince(t)
	}
	if until == nil {
		return time.Time{}, nil
	}
	t, err := events.ParseTime(events.Until, *until, now)
	if err != nil {
		return time.Time{}, err
	}
	query.SetUntil(t)
	return t, nil
}

// checkAfter spares the store cursors which nobody ever gave out. It returns
// "" where none was given.
func checkAfter(after *string) (string, error) {
	switch {
	case after == nil:
		return "", nil
	case *after == "":
		return "", &events.CursorError{Cursor: *after, Reason: "it is empty; leave it out to begin with the oldest event"}
	case len(*after) > limits.Cursor:
		return "", &events.CursorError{Cursor: *after, Reason: "it is longer than any cursor"}
	}
	return *after, nil
}
