package state

import (
	"slices"
	"strings"

	"github.com/eventsvc/eventsvc/events"
)

// names is the filters on names of containers. They apply to a container's newest name.
type names struct {
	steady  []string        // the other filters, which a new name does not affect
	named   []string        // the filters on names
	parsed  *events.Filters // of named, nil: none
	renamed map[string]bool // IDs
}

// maxRenamed bounds the containers that are known to be renamed.
const maxRenamed = 10 * MostObjects

// changed, as the value of health, selects new verdicts and so is not a state.
const changed = "changed"

// split splits a filter into its key, in the form that is compared, and its value.
func split(text string) (key, value string, negated bool) {
	key, value, _ = strings.Cut(text, "=")
	key, negated = strings.CutSuffix(strings.ToLower(strings.TrimPrefix(key, "+")), "!")
	return key, value, negated
}

// newNames picks the filters on names.
func newNames(filters []string) (n names, err error) {
	n.renamed = make(map[string]bool)
	for _, text := range filters {
		if key, _, _ := split(text); key == "name" || key == "container" {
			n.named = append(n.named, text)
		} else {
			n.steady = append(n.steady, text)
		}
	}
	if len(n.named) > 0 {
		n.parsed, err = events.ParseFilters(n.named)
	}
	return n, err
}

// Renames returns filters for the events to pass to AddRename, before all others; nil
// for none.
func (n *names) Renames() []string {
	if n.parsed == nil {
		return nil
	}
	return append(slices.Clone(n.steady), "type=container", "status="+string(events.Rename))
}

// AddRename records an event that gave a container another name. It returns false if
// there are too many.
func (n *names) AddRename(e *events.Event) bool {
	n.renamed[e.ID] = true
	return len(n.renamed) <= maxRenamed
}

// filters returns filters for the events of objects that may be selected: events with
// these statuses, and those that change names.
func (n *names) filters(statuses []events.Status) []string {
	all := slices.Clone(n.steady)
	if len(n.renamed) == 0 {
		all = append(all, n.named...)
	}
	all = append(all, "status="+string(events.Rename))
	for _, s := range statuses {
		all = append(all, "status="+string(s))
	}
	return all
}

// Takes reports whether the event may be about a selected object.
func (n *names) Takes(e *events.Event) bool {
	return len(n.renamed) == 0 || n.renamed[e.ID] || n.parsed.Match(e)
}
