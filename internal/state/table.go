package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/events"
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

	named   string // its key in Table.named, "" if it has none
	started bool
	number  uint64 // of the event that changed it last
}

// Table is the present state of objects, made of events in the order of the store.
type Table struct {
	since   time.Time
	objects map[string]*Object // by identity
	named   map[string]string  // identity of an object that has an ID, by its name
	count   uint64
}

// NewTable returns an empty table, in which restarts later than a time are counted.
func NewTable(since time.Time) *Table {
	return &Table{since: since, objects: make(map[string]*Object), named: make(map[string]string)}
}

// Add notes an event. It returns false if there are too many objects.
func (t *Table) Add(e *events.Event) bool {
	key, named := t.identify(e)
	if e.Status == events.Remove {
		t.remove(key)
		return true
	}
	o := t.objects[key]
	if o == nil && e.Status == events.Rename {
		return true
	}
	if o == nil {
		if len(t.objects) == MostObjects {
			return false
		}
		o = &Object{Type: e.Type, ID: e.ID, UID: e.UID, Host: e.Host, Status: e.Status, Since: e.Time}
		t.objects[key] = o
	}
	t.count++
	if named != "" && named != o.named {
		t.forgetName(o, key)
		o.named, t.named[named] = named, key
	}
	o.Name, o.Image = cmp.Or(e.Name, e.Network, o.Name), cmp.Or(e.Image, o.Image)
	if e.Status == events.Rename {
		return true // its state is as it was
	}
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

// identify returns the identity of the object that an event is about, and what it is
// called if the event has both a name and an ID. Podman names an image by the one,
// by the other, or by both: pulled by name, it is tagged by both and removed by ID.
func (t *Table) identify(e *events.Event) (key, named string) {
	of := owner(e)
	name := cmp.Or(e.Name, e.Network)
	if e.ID == "" {
		return cmp.Or(t.named[of+name], of+name), ""
	}
	if name == "" {
		return of + e.ID, ""
	}
	delete(t.objects, of+name) // known by name alone until now
	if e.Type == events.Image {
		for _, short := range shortNames(name) {
			delete(t.objects, of+short)
		}
	}
	return of + e.ID, of + name
}

// shortNames returns the names by which an image may have been pulled whose name is
// this in full: without the registry and what follows it, and without the tag that is
// meant where there is none.
func shortNames(full string) []string {
	var all []string
	for rest, found := full, true; found; _, rest, found = strings.Cut(rest, "/") {
		all = append(all, rest)
		if untagged, ok := strings.CutSuffix(rest, ":latest"); ok {
			all = append(all, untagged)
		}
	}
	return all
}

func (t *Table) remove(key string) {
	if o := t.objects[key]; o != nil {
		t.forgetName(o, key)
		delete(t.objects, key)
	}
}

// forgetName forgets what an object was called, unless that is another's name now.
func (t *Table) forgetName(o *Object, key string) {
	if t.named[o.named] == key {
		delete(t.named, o.named)
	}
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
