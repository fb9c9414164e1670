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
	Unknown State = iota // nothing is known of that time
	Stopped
	Running
	Paused
	Unhealthy // running, and its health check fails
)

var stateWords = [...]string{"unknown", "stopped", "running", "paused", "unhealthy"}

func (s State) String() string { return stateWords[s] }

// MarshalText returns the word of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// marks are what happened in one cell, besides the state.
type marks struct {
	failures, deaths, starts   uint32
	pullErrors                 uint32
	updates, failedUpdates     uint32
	unhealthy, paused, running bool // in that state for a part of it
}

func (m *marks) add(o *marks) {
	m.failures += o.failures
	m.deaths += o.deaths
	m.starts += o.starts
	m.pullErrors += o.pullErrors
	m.updates += o.updates
	m.failedUpdates += o.failedUpdates
	m.unhealthy = m.unhealthy || o.unhealthy
	m.paused = m.paused || o.paused
	m.running = m.running || o.running
}

// cell is a part of a lane in which something happened.
type cell struct {
	at    int64 // its number: time divided by the length of a cell
	after State // at its end
	marks
}

// Lane is one container, by name, or one image that could not be pulled. The
// counts are of the time that the timeline shows.
type Lane struct {
	Name  string  `json:"name"`
	Image string  `json:"image,omitempty"`
	Host  string  `json:"host,omitempty"`
	UID   *uint32 `json:"uid,omitempty"`
	// State is the last one; Unknown for an image.
	State State `json:"state"`
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
	// LastExitCode is that of the last death; nil: none is known.
	LastExitCode *int `json:"lastExitCode,omitempty"`
	// LastEvent is when something last happened.
	LastEvent time.Time `json:"lastEvent"`

	image  bool  // that could not be pulled
	before State // of the oldest cell
	died   bool  // a start is a restart
	cells  []cell
}

// updateResult is the attribute with what became of an auto-update.
const updateResult = "io.podman.autoupdate.result"

// apply takes in an event of the lane, in a cell that is its own.
func (l *Lane) apply(e *events.Event, c *cell) {
	state := l.State
	switch e.Status {
	case events.Start, events.Restore:
		if e.Status == events.Start {
			l.Starts++
			c.starts++
		}
		if l.died {
			l.Restarts++
		}
		l.died, state = false, Running
		l.assume(Stopped)
	case events.Exited:
		l.Deaths++
		c.deaths++
		l.died, state = true, Stopped
		code := 0
		if e.ContainerExitCode != nil {
			code = *e.ContainerExitCode
		}
		l.LastExitCode = &code
		if code != 0 {
			l.Failures++
			c.failures++
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
				l.Unhealthy++
			}
			l.assume(Running)
			state = Unhealthy
		case "healthy", "starting":
			l.assume(Running)
			state = Running
		}
	case events.PullError:
		l.PullErrors++
		c.pullErrors++
	case events.AutoUpdate:
		switch e.Attributes[updateResult] {
		case "updated":
			l.Updates++
			c.updates++
		case "failed", "rolled-back":
			l.FailedUpdates++
			c.failedUpdates++
		}
	}
	l.State, c.after = state, state
	c.saw(state)
}

// assume says what the container was doing before the first event that shows it.
func (l *Lane) assume(state State) {
	if l.State == Unknown {
		l.before = state
	}
}

func (m *marks) saw(s State) {
	m.running = m.running || s == Running
	m.paused = m.paused || s == Paused
	m.unhealthy = m.unhealthy || s == Unhealthy
}

// at returns the cell with a number. Events may come a little out of the order of
// their times, so it is nearly always the last.
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

// forget drops what happened before a cell, and what was counted of it.
func (l *Lane) forget(number int64) {
	n := 0
	for n < len(l.cells) && l.cells[n].at < number {
		c := &l.cells[n]
		if c.after != Unknown {
			l.before = c.after
		}
		l.Starts -= int(c.starts)
		l.Deaths -= int(c.deaths)
		l.Failures -= int(c.failures)
		l.PullErrors -= int(c.pullErrors)
		l.Updates -= int(c.updates)
		l.FailedUpdates -= int(c.failedUpdates)
		n++
	}
	if n > 0 {
		l.cells = slices.Delete(l.cells, 0, n)
		l.Restarts = min(l.Restarts, l.Starts)
	}
}

// Failing reports whether the lane needs a look now: it is unhealthy, or it stands
// still after a failure.
func (l *Lane) Failing() bool {
	return l.State == Unhealthy ||
		l.State == Stopped && l.Failures > 0 && l.LastExitCode != nil && *l.LastExitCode != 0
}

// trouble is how much went wrong.
func (l *Lane) trouble() int {
	return l.Failures + l.PullErrors + l.FailedUpdates + l.Unhealthy
}

// byTrouble puts what needs a look first.
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
	)
}
