package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// MostObjects is how many objects a Table has at most.
const MostObjects = 1000

// Object is what events tell of the present state of an object.
type Object struct {
	Type        events.Type
	Status      events.Status // the newest that changed its state
	Since       time.Time     // when that was
	ID          string
	Name        string
	Image       string
	ExitCode    *int   // if Status is died
	Health      string // newest verdict since it was started, "" if there is none
	HealthSince time.Time
	Restarts    int
	UID         *uint32
	Host        string

	started bool
	number  uint64 // of the event that changed it last
}

// Table is the present state of objects, made of events in the order of the store.
type Table struct {
	since   time.Time
	objects map[string]*Object
	count   uint64
}

// NewTable returns an empty table, in which restarts later than a time are counted.
func NewTable(since time.Time) *Table {
	return &Table{since: since, objects: make(map[string]*Object)}
}

// Statuses returns the filters for the events that Add wants, besides those that
// choose objects. The error is a *filter.Error for a filter on what Add finds out.
func Statuses(filters []string) ([]string, error) {
	for _, text := range filters {
		key, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(text, "+")), "=")
		switch strings.TrimSuffix(key, "!") {
		case "event", "status", "health", "exit-code":
			return nil, &filter.Error{Filter: text, Reason: "it is about what is so now; choose objects, by type, name, label and the like"}
		}
	}
	var all []string
	for _, s := range events.Statuses() {
		if families[s] != nil {
			all = append(all, "status="+string(s))
		}
	}
	return all, nil
}

// Add notes an event. It returns false if there are too many objects.
func (t *Table) Add(e *events.Event) bool {
	key := string(e.Type) + "\x00" + e.Host + "\x00" + cmp.Or(e.ID, e.Name, e.Network)
	if e.Status == events.Remove {
		delete(t.objects, key)
		return true
	}
	o := t.objects[key]
	if o == nil {
		if len(t.objects) == MostObjects {
			return false
		}
		o = &Object{Type: e.Type, ID: e.ID, UID: e.UID, Host: e.Host, Status: e.Status, Since: e.Time}
		t.objects[key] = o
	}
	t.count++
	o.Name, o.Image = cmp.Or(e.Name, e.Network, o.Name), cmp.Or(e.Image, o.Image)
	if e.Status == events.HealthStatus {
		if e.HealthStatus != o.Health {
			o.Health, o.HealthSince, o.number = e.HealthStatus, e.Time, t.count
		}
		return true
	}
	switch e.Status {
	case events.Start, events.Restore:
		if o.started && e.Time.After(t.since) {
			o.Restarts++
		}
		o.started, o.Health = true, ""
	case events.Exited:
		o.Health = ""
	}
	o.Status, o.Since, o.ExitCode, o.number = e.Status, e.Time, nil, t.count
	if e.Status == events.Exited {
		o.ExitCode = e.ContainerExitCode
	}
	return true
}

// Objects returns the objects in the order in which they changed last.
func (t *Table) Objects() []*Object {
	all := make([]*Object, 0, len(t.objects))
	for _, o := range t.objects {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Object) int { return cmp.Compare(a.number, b.number) })
	return all
}
