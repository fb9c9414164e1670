package state

import (
	"slices"
	"strings"

	"github.com/eventsvc/eventsvc/events"
)

// names are the filters on the names of containers, for which the newest name counts.
type names struct {
	steady  []string        // the other filters, about which a new name decides nothing
	named   []string        // those on names
	parsed  *events.Filters // of named, nil: there are none
	renamed map[string]bool // IDs
}

// maxRenamed bounds the containers that are known to be renamed.
const maxRenamed = 10 * MostObjects

// changed as the value of health is about what is new, and no state.
const changed = "changed"

// split cuts a filter into its key, as it is compared, and its value.
func split(text string) (key, value string, negated bool) {
	key, value, _ = strings.Cut(text, "=")
	key, negated = strings.CutSuffix(strings.ToLower(strings.TrimPrefix(key, "+")), "!")
	return key, value, negated
}

// newNames returns what filters ask of names.
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

// Renames returns the filters for the events that AddRename wants before all others,
// nil if it wants none.
func (n *names) Renames() []string {
	if n.parsed == nil {
		return nil
	}
	return append(slices.Clone(n.steady), "type=container", "status="+string(events.Rename))
}

// AddRename notes an event by which a container got another name. It returns false if
// there are too many.
func (n *names) AddRename(e *events.Event) bool {
	n.renamed[e.ID] = true
	return len(n.renamed) <= maxRenamed
}

// filters returns those for the events of objects that may be chosen, of these statuses
// and those by which names change.
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

// Takes reports whether the event may be about an object that is chosen.
func (n *names) Takes(e *events.Event) bool {
	return len(n.renamed) == 0 || n.renamed[e.ID] || n.parsed.Match(e)
}
