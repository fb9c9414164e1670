package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// State is what a container is doing.
type State uint8

// The states of a container.
const (
	Unknown State = iota // nothing is known about that time
	Stopped
	Running
	Paused
	Unhealthy // running, with a failing health check
)

var stateWords = [...]string{"unknown", "stopped", "running", "paused", "unhealthy"}

func (s State) String() string { return stateWords[s] }

// MarshalText returns the word of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Counts counts the events of a container in some time.
type Counts struct {
	// Starts and Deaths count the container's processes, Restarts the starts
	// that followed a death, Failures the deaths with an exit code other than 0.
	Starts   int `json:"starts"`
	Restarts int `json:"restarts"`
	Deaths   int `json:"deaths"`
	Failures int `json:"failures"`
	// PullErrors count pulls of the image that failed, Updates and
	// FailedUpdates what auto-update did.
	PullErrors    int `json:"pullErrors"`
	Updates       int `json:"updates"`
	FailedUpdates int `json:"failedUpdates"`
	// Unhealthy counts the changes to unhealthy.
	Unhealthy int `json:"unhealthy"`
}

// add adds o, or subtracts it if times is -1.
func (c *Counts) add(o *Counts, times int) {
	c.Starts += times * o.Starts
	c.Restarts += times * o.Restarts
	c.Deaths += times * o.Deaths
	c.Failures += times * o.Failures
	c.PullErrors += times * o.PullErrors
	c.Updates += times * o.Updates
	c.FailedUpdates += times * o.FailedUpdates
	c.Unhealthy += times * o.Unhealthy
}

// marks are the events in one cell.
type marks struct {
	Counts
	unhealthy, paused, running bool // in that state for a part of it
}

func (m *marks) add(o *marks) {
	m.Counts.add(&o.Counts, 1)
	m.unhealthy = m.unhealthy || o.unhealthy
	m.paused = m.paused || o.paused
	m.running = m.running || o.running
}

func (m *marks) saw(s State) {
	m.running = m.running || s == Running
	m.paused = m.paused || s == Paused
	m.unhealthy = m.unhealthy || s == Unhealthy
}

// cell is a part of a lane with at least one event.
type cell struct {
	at    int64 // its number: time divided by the length of a cell
	after State // at the end of the cell
	marks
}

// Lane is one container, by name, or one image that could not be pulled. The counts are
// for the time span that the timeline shows.
type Lane struct {
	Name  string  `json:"name"`
	Image string  `json:"image,omitempty"`
	Host  string  `json:"host,omitempty"`
	UID   *uint32 `json:"uid,omitempty"`
	// State is the latest state; Unknown for an image.
	State State `json:"state"`
	Counts
	// LastExitCode is that of the last death; nil: unknown.
	LastExitCode *int `json:"lastExitCode,omitempty"`
	// LastEvent is the time of the last event.
	LastEvent time.Time `json:"lastEvent"`

	image  bool   // one that could not be pulled
	id     string // of the last container of that name
	before State  // of the oldest cell
	died   bool   // the next start is a restart
	cells  []cell
}

// updateResult is the attribute with the result of an auto-update.
const updateResult = "io.podman.autoupdate.result"

// apply adds an event of the lane, which belongs to the cell.
func (l *Lane) apply(e *events.Event, c *cell) {
	var n Counts
	state := l.State
	switch e.Status {
	case events.Start, events.Restore:
		if e.Status == events.Start {
			n.Starts++
		}
		if l.died {
			n.Restarts++
		}
		l.died, state = false, Running
		l.assume(Stopped)
	case events.Exited:
		n.Deaths++
		l.died, state = true, Stopped
		code := 0
		if e.ContainerExitCode != nil {
			code = *e.ContainerExitCode
		}
		l.LastExitCode = &code
		if code != 0 {
			n.Failures++
		}
		l.assume(Running)
	case events.Create, events.Init, events.Remove, events.Checkpoint:
		if e.Status == events.Remove {
			l.assume(Stopped)
		}
		state = Stopped
	case events.Pause:
		l.assume(Running)
		state = Paused
	case events.Unpause:
		l.assume(Paused)
		state = Running
	case events.HealthStatus:
		switch strings.ToLower(e.HealthStatus) {
		case "unhealthy":
			if state != Unhealthy {
				n.Unhealthy++
			}
			l.assume(Running)
			state = Unhealthy
		case "healthy", "starting":
			l.assume(Running)
			state = Running
		}
	case events.PullError:
		n.PullErrors++
	case events.AutoUpdate:
		switch e.Attributes[updateResult] {
		case "updated":
			n.Updates++
		case "failed", "rolled-back":
			n.FailedUpdates++
		}
	}
	l.Counts.add(&n, 1)
	c.Counts.add(&n, 1)
	l.become(state, c)
}

// become sets the state from a cell on.
func (l *Lane) become(state State, c *cell) {
	l.State, c.after = state, state
	c.saw(state)
}

// takeOver continues with the events of a container under its old name, which no longer
// exists.
func (l *Lane) takeOver(old *Lane, number int64) {
	l.assume(Stopped)
	l.died, l.LastExitCode = old.died, old.LastExitCode
	l.become(old.State, l.at(number))
	old.assume(Stopped)
	old.id, old.died = "", false
	old.become(Stopped, old.at(number))
}

// assume sets the container's state before the first event that shows it.
func (l *Lane) assume(state State) {
	if l.State == Unknown {
		l.before = state
	}
}

// at returns the cell with a number. Events may arrive slightly out of order, so it is
// nearly always the last.
func (l *Lane) at(number int64) *cell {
	i, found := len(l.cells), false
	if i > 0 && l.cells[i-1].at >= number {
		i, found = slices.BinarySearchFunc(l.cells, number, func(c cell, n int64) int { return cmp.Compare(c.at, n) })
	}
	if !found {
		l.cells = slices.Insert(l.cells, i, cell{at: number})
	}
	return &l.cells[i]
}

// forget drops the cells before a number, and subtracts their counts.
func (l *Lane) forget(number int64) {
	n := 0
	for n < len(l.cells) && l.cells[n].at < number {
		c := &l.cells[n]
		if c.after != Unknown {
			l.before = c.after
		}
		l.Counts.add(&c.Counts, -1)
		n++
	}
	l.cells = slices.Delete(l.cells, 0, n)
}

// Failing reports whether the lane needs attention now: it is unhealthy, or has stopped
// after a failure.
func (l *Lane) Failing() bool {
	return l.State == Unhealthy ||
		l.State == Stopped && l.Failures > 0 && l.LastExitCode != nil && *l.LastExitCode != 0
}

// trouble returns a measure of the failures.
func (l *Lane) trouble() int {
	return l.Failures + l.PullErrors + l.FailedUpdates + l.Unhealthy
}

// byTrouble sorts lanes that need attention first.
func byTrouble(a, b *Lane) int {
	failing := func(l *Lane) int {
		if l.Failing() {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(failing(b), failing(a)), cmp.Compare(b.trouble(), a.trouble()), cmp.Compare(b.Restarts, a.Restarts),
		b.LastEvent.Compare(a.LastEvent), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host),
		cmp.Compare(a.owner(), b.owner()),
	)
}

// shown reports whether the lane has something to show.
func (l *Lane) shown() bool { return len(l.cells) > 0 || l.State > Stopped }

// owner returns the user of the container, -1: unknown.
func (l *Lane) owner() int64 {
	if l.UID == nil {
		return -1
	}
	return int64(*l.UID)
}
