package core

import (
	"fmt"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Query is which events a call asks for. NewQuery makes one.
type Query struct {
	choice feed.Query
	until  time.Time // zero: no bound
	after  string    // a cursor, "" if none was given
	past   bool      // past events are asked for

	allUsers bool // not only the events of the caller's own uid
}

// NewQuery returns a query for the events that pass the filters, nil for all.
func NewQuery(filters *filter.Filters) Query {
	q := Query{choice: feed.Everything()}
	q.choice.Filters = filters
	return q
}

// Since excludes events up to and including a time.
func (q *Query) Since(t time.Time) {
	q.choice.SetSince(t)
	q.past = true
}

// Until excludes events from a time on, and ends a stream at that time.
func (q *Query) Until(t time.Time) {
	q.choice.SetUntil(t)
	q.until, q.past = t, true
}

// Filters returns what was given to NewQuery.
func (q *Query) Filters() *filter.Filters { return q.choice.Filters }

// End returns the time that was given to Until, zero if there is none.
func (q *Query) End() time.Time { return q.until }

// Past reports whether past events are asked for.
func (q *Query) Past() bool { return q.past }

// Parameters are the parameters of calls that read events, as given by the client. Nil
// is a parameter that was not given.
type Parameters struct {
	Filters             []string
	Since, Until, After *string
	FromStart, AllUsers bool
}

// Query turns the parameters into a query. The error is a *filter.Error, an
// *events.TimeError, an *events.CursorError or a *Fault.
func (p *Parameters) Query(now time.Time) (Query, error) {
	filters, err := parseFilters(p.Filters)
	if err != nil {
		return Query{}, err
	}
	q := NewQuery(filters)
	q.allUsers = p.AllUsers
	if p.Since != nil {
		t, err := events.ParseTime(events.Since, *p.Since, now)
		if err != nil {
			return q, err
		}
		q.Since(t)
	}
	if p.Until != nil {
		t, err := events.ParseTime(events.Until, *p.Until, now)
		if err != nil {
			return q, err
		}
		q.Until(t)
	}
	if p.After != nil {
		if err := checkCursor(*p.After); err != nil {
			return q, err
		}
		if p.FromStart {
			return q, InvalidValue("fromStart", "'after' and 'fromStart' cannot be given together")
		}
		q.after, q.past = *p.After, true
	}
	q.past = q.past || p.FromStart
	return q, nil
}

// InvalidValue is the fault for a parameter of the right type with a wrong value.
func InvalidValue(parameter, message string) *Fault {
	return &Fault{InvalidParameter, []Parameter{{"parameter", parameter}}, message}
}

// checkCursor keeps texts from the store that cannot be a cursor of any store.
func checkCursor(cursor string) error {
	switch {
	case cursor == "":
		return &events.CursorError{Reason: "it is empty; leave it out to begin with the oldest event"}
	case len(cursor) > limits.Cursor:
		return &events.CursorError{Cursor: cut(cursor, limits.Cursor), Reason: fmt.Sprintf("it is longer than %d bytes, as no cursor is", limits.Cursor)}
	}
	return nil
}
