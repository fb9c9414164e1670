package core

import (
	"context"
	"fmt"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/state"
)

// State is the present state of objects, as events tell it.
type State struct {
	Objects []*state.Object
	Cursor  string    // up to where events were looked at
	Oldest  time.Time // of the store, zero if it has no events
}

// State reads what the store says about the objects that the filters choose. Since
// bounds the restarts that are counted, and nothing else.
func (c *Core) State(ctx context.Context, who *Caller, p Parameters) (*State, error) {
	since := time.Time{}
	if p.Since != nil {
		var err error
		if since, err = events.ParseTime(events.Since, *p.Since, time.Now()); err != nil {
			return nil, err
		}
	}
	if _, err := ParseFilters(p.Filters); err != nil {
		return nil, err
	}
	statuses, err := state.Statuses(p.Filters)
	if err != nil {
		return nil, err
	}
	filters, err := filter.Parse(append(p.Filters[:len(p.Filters):len(p.Filters)], statuses...))
	if err != nil {
		return nil, err
	}
	q := NewQuery(filters)
	q.allUsers, q.past = p.AllUsers, true
	pages, err := c.Pages(ctx, who, q, AllEvents)
	if err != nil {
		return nil, err
	}
	defer pages.Close()
	t := &table{Table: state.NewTable(since)}
	for {
		end, err := pages.Next(t)
		switch {
		case err != nil:
			return nil, err
		case t.full:
			return nil, &filter.Error{
				Filter: firstOr(p.Filters, ""), Reason: fmt.Sprintf("there are more than %d objects; choose fewer, by type, name, label and the like", state.MostObjects),
			}
		case end.Last:
			return &State{Objects: t.Objects(), Cursor: end.Cursor, Oldest: c.feed.Status().Oldest}, nil
		}
	}
}

func firstOr(list []string, none string) string {
	if len(list) > 0 {
		return list[0]
	}
	return none
}

// table takes pages of events into a state.Table, and keeps none.
type table struct {
	*state.Table
	full bool
}

// Add notes an event.
func (t *table) Add(r *feed.Record) (size int) {
	e := r.Event()
	t.full = t.full || !t.Table.Add(&e)
	return 0
}

// Drop is called for pages that are too long, which these never are.
func (t *table) Drop() {}
