// Package state derives the present state of objects from events: it knows which events
// decide a state, and which of them is each object's newest. It knows no bus and no
// store.
package state

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// runs are the events that decide whether a container or a pod is running.
var runs = []events.Status{events.Create, events.Start, events.Restart, events.Restore, events.Exited, events.Stop, events.Remove}

// families maps each status that changes a state to those that decide whether it is
// still current: it is if it is the newest of them. A status that is not here changes
// no state.
var families = map[events.Status][]events.Status{
	events.Start: without(runs, events.Stop), events.Restart: without(runs, events.Stop), events.Restore: without(runs, events.Stop),
	events.Stop: without(runs, events.Remove, events.Exited),
	// Whatever has ended has ended, whether it was removed then or not.
	events.Exited: without(runs, events.Remove, events.Stop),
	events.Create: {events.Create, events.Remove}, events.Remove: {events.Create, events.Remove},
	events.Pause: append(without(runs), events.Pause, events.Unpause), events.Unpause: append(without(runs), events.Pause, events.Unpause),
	events.Mount: {events.Mount, events.Unmount}, events.Unmount: {events.Mount, events.Unmount},
	// An image is removed by its ID, after its names.
	events.Pull: {events.Pull, events.Untag, events.Remove}, events.PullError: {events.Pull, events.PullError},
	events.Tag: {events.Tag, events.Untag}, events.Untag: {events.Tag, events.Untag},
	// A container that was started, or has ended, no longer has a verdict.
	events.HealthStatus: append(without(runs, events.Create, events.Stop), events.HealthStatus),
}

func without(all []events.Status, some ...events.Status) []events.Status {
	return slices.DeleteFunc(slices.Clone(all), func(s events.Status) bool { return slices.Contains(some, s) })
}

// Question asks about the present: whether the newest of the deciding events matches
// filters. A container's name is its newest one.
type Question struct {
	names
	matches  *events.Filters
	deciding []events.Status
}

// NewQuestion returns the question that filters on events imply. The error says why
// they are not about a state.
func NewQuestion(filters []string) (*Question, error) {
	matches, err := events.ParseFilters(filters)
	if err != nil {
		return nil, err
	}
	q := &Question{matches: matches}
	deciding := make(map[events.Status]bool)
	var objects []string
	for _, text := range filters {
		key, value, negated := split(text)
		switch key {
		case "health":
			if value == changed {
				return nil, errors.New("health=changed is about new events, not the present state; give health=healthy or health=unhealthy")
			}
			value, negated = string(events.HealthStatus), false
		case "exit-code":
			value, negated = string(events.Exited), false
		case "event", "status":
		default:
			objects = append(objects, text)
			continue
		}
		if negated {
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
		return nil, errors.New("there is no filter on a state; give event=start, event=died, health=healthy or the like")
	}
	for _, s := range events.Statuses() {
		if deciding[s] {
			q.deciding = append(q.deciding, s)
		}
	}
	q.names, err = newNames(objects)
	return q, err
}

// Filters returns filters for the events to add to an Answer, if Takes accepts them.
func (q *Question) Filters() []string { return q.filters(q.deciding) }

// Answer collects the events that decide a question. NewAnswer makes one.
type Answer struct {
	question *Question
	newest   map[string]decision // by object
	count    uint64              // of events added
}

// decision is the newest event about an object, and its number among all events added.
type decision struct {
	event  events.Event
	name   string // the object's present name
	number uint64
}

// maxObjects bounds how many objects an answer is about.
const maxObjects = 10_000

// NewAnswer returns an answer without events.
func (q *Question) NewAnswer() *Answer {
	return &Answer{question: q, newest: make(map[string]decision)}
}

// Add adds an event, in the order of the store. It returns false if the question is
// about too many objects.
func (a *Answer) Add(e events.Event) bool {
	// By name: what is created again under the same name has another ID, and then what
	// became of the earlier one no longer matters.
	object := owner(&e) + cmp.Or(e.Name, e.Network, e.ID)
	if e.Status == events.Rename {
		a.rename(object, &e)
		return true
	}
	if _, known := a.newest[object]; !known && len(a.newest) == maxObjects {
		return false
	}
	a.count++
	a.newest[object] = decision{e, e.Name, a.count}
	return true
}

// rename gives a container a new name. If another object had that name, it no longer
// does.
func (a *Answer) rename(object string, e *events.Event) {
	delete(a.newest, object)
	for former, d := range a.newest {
		if d.event.ID == e.ID && e.ID != "" {
			delete(a.newest, former)
			d.name = e.Name
			a.newest[object] = d
			return
		}
	}
}

// owner returns the scope in which an ID or name is unique: objects of one kind and one
// user.
func owner(e *events.Event) string {
	uid := ""
	if e.UID != nil {
		uid = strconv.FormatUint(uint64(*e.UID), 10)
	}
	return string(e.Type) + "\x00" + e.Host + "\x00" + uid + "\x00"
}

// Event returns the newest event that matches the filters and is the newest deciding
// one of its object; ok is false if there is none.
func (a *Answer) Event() (e events.Event, ok bool) {
	newest := uint64(0)
	for _, d := range a.newest {
		named := d.event
		named.Name = d.name
		if d.number > newest && a.question.matches.Match(&named) {
			e, newest = d.event, d.number
		}
	}
	return e, newest > 0
}
