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

// Object is the present state of an object.
type Object struct {
	Type        events.Type
	Status      events.Status // the newest that changed its state
	Since       time.Time     // the time of that event
	ID          string
	Name        string
	Image       string
	ExitCode    *int   // if Status is died
	Health      string // newest verdict since it was started, "" if there is none
	HealthSince time.Time
	Restarts    int
	UID         *uint32
	Host        string

	owner   string // the scope in which its name is unique
	started bool
	number  uint64 // of the event that changed it last
}

// Table is the present state of objects, derived from events in the order of the store.
type Table struct {
	since   time.Time
	objects map[string]*Object // by identity
	named   map[string]string  // identity by owner and name; "" where the name may be that of several
	count   uint64
}

// NewTable returns an empty table that counts restarts after a time.
func NewTable(since time.Time) *Table {
	return &Table{since: since, objects: make(map[string]*Object), named: make(map[string]string)}
}

// Add adds an event. It returns false if there are too many objects.
func (t *Table) Add(e *events.Event) bool {
	of, name := owner(e), cmp.Or(e.Name, e.Network)
	key := of + e.ID
	if e.ID == "" {
		key = cmp.Or(t.named[of+name], of+name)
	}
	if e.Status == events.Remove {
		t.remove(key)
		if e.ID != "" {
			t.absorb(of, namesOf(e.Type, name), key)
		}
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
		o = &Object{Type: e.Type, ID: e.ID, UID: e.UID, Host: e.Host, Status: e.Status, Since: e.Time, owner: of}
		t.objects[key] = o
	}
	t.count++
	if name != "" && name != o.Name && (e.ID != "" || o.Name == "") {
		t.name(o, key, name)
	}
	o.Image = cmp.Or(e.Image, o.Image)
	if e.Status == events.Rename {
		return true // its state is unchanged
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

// namesOf returns the names by which events may refer to an object of this name. Podman
// refers to an image by its name, its ID, or both: one pulled by name is tagged by both
// and removed by ID. It may be pulled without the registry and path, and without the
// default tag.
func namesOf(kind events.Type, name string) []string {
	all := []string{name}
	if kind != events.Image {
		return all
	}
	for rest, found := name, true; found; {
		if untagged, ok := strings.CutSuffix(rest, ":latest"); ok {
			all = append(all, untagged)
		}
		if _, rest, found = strings.Cut(rest, "/"); found {
			all = append(all, rest)
		}
	}
	return all
}

// name gives an object another name. Short forms of the name refer to it, too, unless
// they may refer to another object.
func (t *Table) name(o *Object, key, name string) {
	t.forgetNames(o, key)
	o.Name = name
	all := namesOf(o.Type, name)
	t.absorb(o.owner, all, key)
	former := t.named[o.owner+name] // the former owner of the name, in all its forms
	for i, form := range all {
		form = o.owner + form
		if other, taken := t.named[form]; i > 0 && taken && (other == "" || other != former) {
			t.named[form] = ""
		} else {
			t.named[form] = key
		}
	}
}

// absorb removes objects that were so far known only by one of these names, except the
// object itself.
func (t *Table) absorb(of string, names []string, key string) {
	for _, name := range names {
		if o := t.objects[of+name]; o != nil && o.ID == "" && of+name != key {
			t.remove(of + name)
		}
	}
}

func (t *Table) remove(key string) {
	if o := t.objects[key]; o != nil {
		t.forgetNames(o, key)
		delete(t.objects, key)
	}
}

// forgetNames removes an object's names, except those that another object has now.
func (t *Table) forgetNames(o *Object, key string) {
	for _, form := range namesOf(o.Type, o.Name) {
		if t.named[o.owner+form] == key {
			delete(t.named, o.owner+form)
		}
	}
}

// Objects returns the objects in the order of their last change.
func (t *Table) Objects() []*Object {
	all := make([]*Object, 0, len(t.objects))
	for _, o := range t.objects {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Object) int { return cmp.Compare(a.number, b.number) })
	return all
}
