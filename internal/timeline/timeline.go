package timeline

import (
	"slices"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// The bounds of a timeline.
const (
	// MaxLanes is how many containers are kept. If there are more, the half without
	// failures whose last events are oldest is left out, and counted.
	MaxLanes = 1000
	// MaxDropped is how many of those left out are counted.
	MaxDropped = 10_000
	// Cells is the number of parts into which the time span is divided.
	Cells = 480
)

// statuses are the statuses of events that appear in lanes.
var statuses = []events.Status{
	events.Create, events.Init, events.Start, events.Restore, events.Exited, events.Remove, events.Checkpoint, events.Pause,
	events.Unpause, events.HealthStatus, events.PullError, events.AutoUpdate, events.Rename,
}

// Filters select the events that a timeline shows, in the grammar of every interface.
func Filters() []string {
	filters := make([]string, len(statuses))
	for i, status := range statuses {
		filters[i] = "event=" + string(status)
	}
	return filters
}

// Timeline is what happened to containers in a time span that ends now. It is not safe
// for concurrent use.
type Timeline struct {
	span time.Duration
	cell time.Duration
	end  time.Time

	lanes   map[key]*Lane
	dropped map[key]int64 // the cells of their last events
}

// key identifies a lane.
type key struct {
	image      bool
	host, name string
	uid        int64
}

// New returns a timeline of a span that ends at a time. See Advance.
func New(span time.Duration, end time.Time) *Timeline {
	t := &Timeline{span: max(span, Cells), lanes: make(map[key]*Lane), dropped: make(map[key]int64)}
	t.cell = t.span / Cells
	t.Advance(end)
	return t
}

// Span returns the time span that is shown.
func (t *Timeline) Span() (from, to time.Time) { return t.end.Add(-t.span), t.end }

// Advance moves the end of the span, and drops what is no longer in it.
func (t *Timeline) Advance(end time.Time) {
	t.end = end
	first := t.number(end.Add(-t.span))
	for k, lane := range t.lanes {
		if lane.forget(first); !lane.shown() {
			delete(t.lanes, k)
		}
	}
	for k, number := range t.dropped {
		if number < first {
			delete(t.dropped, k)
		}
	}
}

// number returns the number of the cell of a time.
func (t *Timeline) number(at time.Time) int64 { return at.UnixNano() / int64(t.cell) }

// Add adds the next event, in the order of the store.
func (t *Timeline) Add(e *events.Event) {
	from, _ := t.Span()
	if e.Time.Before(from) {
		return
	}
	k, ok := keyOf(e)
	if !ok {
		return
	}
	lane, known := t.lanes[k]
	if !known {
		lane = &Lane{Name: k.name, Host: e.Host, UID: e.UID, image: k.image}
		t.lanes[k] = lane
		delete(t.dropped, k)
	}
	if e.Status == events.Rename {
		for other, old := range t.lanes {
			if other.host == k.host && other.uid == k.uid && old != lane && old.id == e.ID && e.ID != "" {
				lane.takeOver(old, t.number(e.Time))
			}
		}
	}
	lane.id = e.ID
	if e.Image != "" {
		lane.Image = e.Image
	}
	if e.Time.After(lane.LastEvent) {
		lane.LastEvent = e.Time
	}
	lane.apply(e, lane.at(t.number(e.Time)))
	if len(t.lanes) > MaxLanes {
		t.drop()
	}
}

// keyOf returns the lane of an event; ok is false if it belongs to none.
func keyOf(e *events.Event) (k key, ok bool) {
	k = key{host: e.Host, name: e.Name, uid: -1}
	if e.UID != nil {
		k.uid = int64(*e.UID)
	}
	switch {
	case e.Type == events.Image && e.Status == events.PullError:
		k.image = true
	case e.Type != events.Container || !slices.Contains(statuses, e.Status):
		return k, false
	}
	if k.name == "" {
		k.name = e.ID[:min(len(e.ID), 12)]
	}
	return k, k.name != ""
}

// drop leaves out half of the lanes at once, so that it is rarely called.
func (t *Timeline) drop() {
	type entry struct {
		key  key
		lane *Lane
	}
	list := make([]entry, 0, len(t.lanes))
	for k, lane := range t.lanes {
		list = append(list, entry{k, lane})
	}
	slices.SortFunc(list, func(a, b entry) int { return byTrouble(a.lane, b.lane) })
	for _, e := range list[MaxLanes/2:] {
		delete(t.lanes, e.key)
		if len(t.dropped) < MaxDropped {
			t.dropped[e.key] = t.number(e.lane.LastEvent)
		}
	}
}

// Lanes returns the lanes with events in the span, those with failures first.
func (t *Timeline) Lanes() []*Lane {
	list := make([]*Lane, 0, len(t.lanes))
	for _, lane := range t.lanes {
		if lane.shown() {
			list = append(list, lane)
		}
	}
	slices.SortFunc(list, byTrouble)
	return list
}

// Dropped returns how many lanes of the span were left out because there were too many;
// at most MaxDropped are counted.
func (t *Timeline) Dropped() int { return len(t.dropped) }

// Summary describes the situation in one line.
func (t *Timeline) Summary() string {
	var failing, failures, restarts, pulls int
	lanes := t.Lanes()
	containers := t.Dropped()
	for _, l := range lanes {
		if !l.image {
			containers++
		}
		if l.Failing() {
			failing++
		}
		failures += l.Failures
		restarts += l.Restarts
		pulls += l.PullErrors
	}
	text := count(containers, "container") + ", " + strconv.Itoa(failing) + " in trouble, " +
		count(failures, "failure") + ", " + count(restarts, "restart")
	if pulls > 0 {
		text += ", " + count(pulls, "pull error")
	}
	return text
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}
