package state

import (
	"slices"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// Choice is how filters choose objects: by what their events have, but for the name of
// a container, which is the newest one.
type Choice struct{ names }

// NewChoice returns the choice that filters make. The error is a *filter.Error for a
// filter on what a Table finds out.
func NewChoice(filters []string) (*Choice, error) {
	for _, text := range filters {
		switch key, _, _ := split(text); key {
		case "event", "status", "health", "exit-code":
			return nil, &filter.Error{Filter: text, Reason: "it is about what is so now; choose objects, by type, name, label and the like"}
		}
	}
	n, err := newNames(filters)
	return &Choice{n}, err
}

// Filters returns the filters for the events that a Table wants, as far as Takes
// agrees.
func (c *Choice) Filters() []string {
	var changing []events.Status
	for _, s := range events.Statuses() {
		if families[s] != nil && s != events.Mount && s != events.Unmount { // by which nothing starts or ends
			changing = append(changing, s)
		}
	}
	return c.filters(changing)
}

// Of returns the objects of a table that are chosen.
func (c *Choice) Of(t *Table) []*Object {
	return slices.DeleteFunc(t.Objects(), func(o *Object) bool {
		return c.renamed[o.ID] && !c.parsed.Match(&events.Event{Type: o.Type, ID: o.ID, Name: o.Name})
	})
}
