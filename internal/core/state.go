package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/state"
)

// State is the present state of objects, derived from events.
type State struct {
	Objects []*state.Object
	Cursor  string    // up to where events were read
	Oldest  time.Time // of the store, zero if it has no events
}

// State derives the state of the objects that the filters choose from the events in the
// store. Since bounds only the restarts that are counted.
func (c *Core) State(ctx context.Context, who *Caller, p Parameters) (*State, error) {
	since := time.Time{}
	if p.Since != nil {
		var err error
		if since, err = events.ParseTime(events.Since, *p.Since, time.Now()); err != nil {
			return nil, err
		}
	}
	if _, err := parseFilters(p.Filters); err != nil {
		return nil, err
	}
	choice, err := state.NewChoice(p.Filters)
	if err != nil {
		return nil, err
	}
	if renames := choice.Renames(); renames != nil {
		if _, err := c.each(ctx, who, p.AllUsers, renames, choice.AddRename); err != nil {
			return nil, err
		}
	}
	t := state.NewTable(since)
	cursor, err := c.each(ctx, who, p.AllUsers, choice.Filters(), func(e *events.Event) bool { return !choice.Takes(e) || t.Add(e) })
	if errors.Is(err, errTooMany) {
		return nil, &filter.Error{
			Filter: firstOr(p.Filters, ""), Reason: fmt.Sprintf("there are more than %d objects; choose fewer, by type, name, label and the like", state.MostObjects),
		}
	}
	if err != nil {
		return nil, err
	}
	return &State{Objects: choice.Of(t), Cursor: cursor, Oldest: c.feed.Status().Oldest}, nil
}

// errTooMany is returned when there are more objects than a State may have.
var errTooMany = errors.New("there are too many objects")

// each calls add with each past event that matches the filters, and returns the cursor
// after them. It ends with errTooMany once add returns false.
func (c *Core) each(ctx context.Context, who *Caller, allUsers bool, filters []string, add func(*events.Event) bool) (cursor string, err error) {
	parsed, err := filter.Parse(filters)
	if err != nil {
		return "", err
	}
	q := NewQuery(parsed)
	q.allUsers, q.past = allUsers, true
	pages, err := c.Pages(ctx, who, q, AllEvents)
	if err != nil {
		return "", err
	}
	defer pages.Close()
	t := &taker{add: add}
	for {
		end, err := pages.Next(t)
		switch {
		case err != nil:
			return "", err
		case t.full:
			return "", errTooMany
		case end.Last:
			return end.Cursor, nil
		}
	}
}

func firstOr(list []string, none string) string {
	if len(list) > 0 {
		return list[0]
	}
	return none
}

// taker is a Page that passes events on one by one, and keeps none.
type taker struct {
	add  func(*events.Event) bool
	full bool
}

// Add passes an event on.
func (t *taker) Add(r *feed.Record) (size int) {
	e := r.Event()
	t.full = t.full || !t.add(&e)
	return 0
}

// Drop is only called for pages that are too long, which these never are.
func (t *taker) Drop() {}
