package state

import (
	"slices"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// Choice selects objects by filters: by fields of their events, and by their present
// name, status, exit code and verdict.
type Choice struct {
	names
	ended   *events.Filters // on status and exit code, nil: none
	verdict *events.Filters // on health, nil: none
}

// NewChoice returns the choice for these filters. The error is a *filter.Error.
func NewChoice(filters []string) (*Choice, error) {
	var steady, ended, verdict []string
	for _, text := range filters {
		key, value, _ := split(text)
		switch {
		case key == "health" && value == changed:
			return nil, &filter.Error{Filter: text, Reason: "it is about new events, not the present state; give health=healthy, health=unhealthy or health=starting"}
		case key == "health":
			verdict = append(verdict, text)
		case key == "event", key == "status", key == "exit-code":
			ended = append(ended, text)
		default:
			steady = append(steady, text)
		}
	}
	c := new(Choice)
	var err error
	if c.names, err = newNames(steady); err == nil && ended != nil {
		c.ended, err = events.ParseFilters(ended)
	}
	if err == nil && verdict != nil {
		c.verdict, err = events.ParseFilters(verdict)
	}
	return c, err
}

// Filters returns filters for the events to add to a Table, if Takes accepts them.
func (c *Choice) Filters() []string {
	var changing []events.Status
	for _, s := range events.Statuses() {
		if families[s] != nil && s != events.Mount && s != events.Unmount { // which neither start nor end anything
			changing = append(changing, s)
		}
	}
	return c.filters(changing)
}

// Of returns the selected objects of a table.
func (c *Choice) Of(t *Table) []*Object {
	return slices.DeleteFunc(t.Objects(), func(o *Object) bool {
		return c.renamed[o.ID] && !c.parsed.Match(&events.Event{Type: o.Type, ID: o.ID, Name: o.Name}) ||
			c.ended != nil && !c.ended.Match(&events.Event{Type: o.Type, Status: o.Status, ContainerExitCode: o.ExitCode}) ||
			c.verdict != nil && !c.verdict.Match(&events.Event{Type: o.Type, Status: events.HealthStatus, HealthStatus: o.Health})
	})
}
