package state

import (
	"slices"
	"strings"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// Choice is how filters choose objects: by what their events have, but for the name of
// a container, which is the newest one.
type Choice struct {
	all     []string        // the filters
	steady  []string        // those of them that a new name decides nothing about
	byName  *events.Filters // the others, nil: there are none
	renamed map[string]bool // IDs
}

// maxRenamed bounds the containers of which a Choice knows that they were renamed.
const maxRenamed = 10 * MostObjects

// NewChoice returns the choice that filters make. The error is a *filter.Error for a
// filter on what a Table finds out.
func NewChoice(filters []string) (*Choice, error) {
	c := &Choice{all: filters, renamed: make(map[string]bool)}
	var named []string
	for _, text := range filters {
		key, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(text, "+")), "=")
		switch strings.TrimSuffix(key, "!") {
		case "event", "status", "health", "exit-code":
			return nil, &filter.Error{Filter: text, Reason: "it is about what is so now; choose objects, by type, name, label and the like"}
		case "name", "container":
			named = append(named, text)
		default:
			c.steady = append(c.steady, text)
		}
	}
	if len(named) == 0 {
		return c, nil
	}
	var err error
	c.byName, err = events.ParseFilters(named)
	return c, err
}

// Renames returns the filters for the events that AddRename wants before all others,
// nil if it wants none.
func (c *Choice) Renames() []string {
	if c.byName == nil {
		return nil
	}
	return append(slices.Clone(c.steady), "type=container", "status="+string(events.Rename))
}

// AddRename notes an event by which a container got another name. It returns false if
// there are too many.
func (c *Choice) AddRename(e *events.Event) bool {
	c.renamed[e.ID] = true
	return len(c.renamed) <= maxRenamed
}

// Filters returns the filters for the events that a Table wants, as far as Takes
// agrees.
func (c *Choice) Filters() []string {
	all := slices.Clone(c.all)
	if len(c.renamed) > 0 {
		all = slices.Clone(c.steady)
	}
	all = append(all, "status="+string(events.Rename))
	for _, s := range events.Statuses() {
		if families[s] != nil && s != events.Mount && s != events.Unmount { // by which nothing starts or ends
			all = append(all, "status="+string(s))
		}
	}
	return all
}

// Takes reports whether the event may be about an object that is chosen.
func (c *Choice) Takes(e *events.Event) bool {
	return len(c.renamed) == 0 || c.renamed[e.ID] || c.byName.Match(e)
}

// Of returns the objects of a table that are chosen.
func (c *Choice) Of(t *Table) []*Object {
	return slices.DeleteFunc(t.Objects(), func(o *Object) bool {
		return c.renamed[o.ID] && !c.byName.Match(&events.Event{Type: o.Type, ID: o.ID, Name: o.Name})
	})
}
