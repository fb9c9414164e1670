// Package state says what events tell of the state of the objects they are about:
// which events decide whether something is so now, and which of them is the newest
// of each object. It knows no bus and no store.
package state

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// runs are the events that decide whether a container or a pod runs.
var runs = []events.Status{events.Create, events.Start, events.Restart, events.Restore, events.Exited, events.Stop, events.Remove}

// families are, for each status that changes a state, those that decide whether it
// is the present one: the newest of them is. A status that is not here changes none.
var families = map[events.Status][]events.Status{
	events.Start: without(runs, events.Stop), events.Restart: without(runs, events.Stop), events.Restore: without(runs, events.Stop),
	events.Stop: without(runs, events.Remove, events.Exited),
	// What has ended has ended, whether it was removed then or not.
	events.Exited: without(runs, events.Remove, events.Stop),
	events.Create: {events.Create, events.Remove}, events.Remove: {events.Create, events.Remove},
	events.Pause: append(without(runs), events.Pause, events.Unpause), events.Unpause: append(without(runs), events.Pause, events.Unpause),
	events.Mount: {events.Mount, events.Unmount}, events.Unmount: {events.Mount, events.Unmount},
	// An image is removed by its ID, after its names.
	events.Pull: {events.Pull, events.Untag, events.Remove}, events.PullError: {events.Pull, events.PullError},
	events.Tag: {events.Tag, events.Untag}, events.Untag: {events.Tag, events.Untag},
	// A container that was started, or has ended, has no verdict any more.
	events.HealthStatus: append(without(runs, events.Create, events.Stop), events.HealthStatus),
}

func without(all []events.Status, some ...events.Status) []events.Status {
	return slices.DeleteFunc(slices.Clone(all), func(s events.Status) bool { return slices.Contains(some, s) })
}

// Question is a question about the present: whether the newest of the events that
// decide it matches filters.
type Question struct {
	// Filters choose the events that decide it.
	Filters []string
	matches *events.Filters
}

// NewQuestion returns the question that filters for an event are about. The error
// says why they are about no state.
func NewQuestion(filters []string) (*Question, error) {
	matches, err := events.ParseFilters(filters)
	if err != nil {
		return nil, err
	}
	q := &Question{matches: matches}
	deciding := make(map[events.Status]bool)
	for _, text := range filters {
		key, value, _ := strings.Cut(text, "=")
		key, negated := strings.CutSuffix(strings.ToLower(strings.TrimPrefix(key, "+")), "!")
		switch key {
		case "health":
			if value == "changed" {
				return nil, errors.New("health=changed is about what is new; give health=healthy or health=unhealthy")
			}
			value = string(events.HealthStatus)
		case "exit-code":
			value = string(events.Exited)
		case "event", "status":
		default:
			q.Filters = append(q.Filters, text)
			continue
		}
		if negated && key != "health" && key != "exit-code" {
			continue
		}
		status := events.Status(filter.Status(value).String())
		if families[status] == nil {
			return nil, errors.Errorf("%s=%s changes no state; give event=start, event=died, health=healthy or the like", key, value)
		}
		for _, s := range families[status] {
			deciding[s] = true
		}
	}
	if len(deciding) == 0 {
		return nil, errors.New("there is no filter on what is to be so; give event=start, event=died, health=healthy or the like")
	}
	for _, s := range events.Statuses() {
		if deciding[s] {
			q.Filters = append(q.Filters, "status="+string(s))
		}
	}
	return q, nil
}

// Answer gathers the events that decide a question. The zero value is not usable.
type Answer struct {
	question *Question
	newest   map[string]decision // by object
	count    uint64              // of events
}

// decision is the newest event about an object, and which one of all it was.
type decision struct {
	event  events.Event
	number uint64
}

// maxObjects bounds how many objects an answer is about.
const maxObjects = 10_000

// NewAnswer returns an answer without events.
func (q *Question) NewAnswer() *Answer {
	return &Answer{question: q, newest: make(map[string]decision)}
}

// Add notes an event that decides it, in the order of the store. It returns false if
// the question is about too many objects.
func (a *Answer) Add(e events.Event) bool {
	// By name, since what is made again under the same name has another ID, and what
	// became of the former one decides nothing then.
	object := owner(&e) + cmp.Or(e.Name, e.Network, e.ID)
	if _, known := a.newest[object]; !known && len(a.newest) == maxObjects {
		return false
	}
	a.count++
	a.newest[object] = decision{e, a.count}
	return true
}

// owner says among what an ID or a name is unique: the objects of a kind of one user.
func owner(e *events.Event) string {
	uid := ""
	if e.UID != nil {
		uid = strconv.FormatUint(uint64(*e.UID), 10)
	}
	return string(e.Type) + "\x00" + e.Host + "\x00" + uid + "\x00"
}

// Event returns the newest event that matches the filters and is the newest of those
// that decide it for its object; ok is false if there is none.
func (a *Answer) Event() (e events.Event, ok bool) {
	newest := uint64(0)
	for _, d := range a.newest {
		if d.number > newest && a.question.matches.Match(&d.event) {
			e, newest = d.event, d.number
		}
	}
	return e, newest > 0
}
