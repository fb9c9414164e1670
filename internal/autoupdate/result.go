package autoupdate

import (
	"errors"
	"fmt"
	"time"
)

// Outcome is the result of a run for one container.
type Outcome string

// The outcomes.
const (
	// Unchanged: it runs the newest image.
	Unchanged Outcome = "unchanged"
	// Pending: there is a new image, which this run does not apply.
	Pending Outcome = "pending"
	// Updated: it runs the new image, verified.
	Updated Outcome = "updated"
	// RolledBack: the new image failed; it runs the old one again, verified.
	RolledBack Outcome = "rolled-back"
	// Failed: it could not be checked, pulled, updated or rolled back.
	Failed Outcome = "failed"
	// Held: there may be a new image, which is on hold.
	Held Outcome = "held"
	// Deferred: the registry did not answer in time, or asked to be contacted later.
	Deferred Outcome = "deferred"
)

// Result is the result of a run for one container. Its first seven JSON members are
// Podman's.
type Result struct {
	Unit          string
	Container     string
	ContainerName string
	ContainerID   string
	Image         string
	Policy        string
	// Updated is Podman's word: true, false, failed, pending, rolled back.
	Updated string

	Result Outcome
	// From and To are digests.
	From  string `json:",omitempty"`
	To    string `json:",omitempty"`
	Error string `json:",omitempty"`
	// Milliseconds is how long the update of the container took.
	Milliseconds int64 `json:",omitempty"`
	// Down reports whether its unit is not running now, because of this run.
	Down bool `json:",omitempty"`
}

func newResult(m Managed) Result {
	return Result{
		Unit: m.Unit, Container: m.ID[:min(12, len(m.ID))] + " (" + m.Name + ")", ContainerName: m.Name, ContainerID: m.ID,
		Image: m.Image, Policy: string(m.Policy),
	}
}

// is sets the outcome, and Podman's word for it.
func (r Result) is(o Outcome, reason string) Result {
	r.Result, r.Error = o, reason
	switch o {
	case Updated:
		r.Updated = "true"
	case Pending:
		r.Updated = "pending"
	case RolledBack:
		r.Updated = "rolled back"
	case Failed, Deferred:
		r.Updated = "failed"
	default:
		r.Updated = "false"
	}
	return r
}

// The exit codes of a run.
const (
	ExitOK         = 0
	ExitUsage      = 1
	ExitUnchecked  = 2
	ExitRolledBack = 3
	ExitDown       = 4
)

// Report is the report of a run.
type Report struct {
	// ID names the run.
	ID string
	// Start and End are when it began and ended.
	Start, End time.Time
	// DryRun reports whether the run only checked.
	DryRun bool `json:",omitempty"`
	// Requests is how many requests were made to registries, not counting pulls.
	Requests int `json:",omitempty"`
	// Results has one element for each managed container.
	Results []Result
}

// ExitCode returns 4 if something is down, 3 if something was rolled back, 2 if
// something could not be checked, pulled or updated, 0 otherwise.
func (r Report) ExitCode() int {
	code := ExitOK
	for _, c := range r.Results {
		switch {
		case c.Down:
			code = max(code, ExitDown)
		case c.Result == RolledBack:
			code = max(code, ExitRolledBack)
		case c.Result == Failed, c.Result == Deferred:
			code = max(code, ExitUnchecked)
		}
	}
	return code
}

// maxAway bounds how long a registry is not contacted at its own request.
const maxAway = 24 * time.Hour

// Later is the error of a registry that asks not to be contacted for a time.
type Later struct{ For time.Duration }

// Error says for how long.
func (l Later) Error() string {
	return fmt.Sprintf("the registry refuses further requests (429) and asks to wait %v", l.For)
}

// Unwrap returns ErrTemporary.
func (Later) Unwrap() error { return ErrTemporary }

var (
	// ErrBusy is returned when another run of the same user does not end in time.
	ErrBusy = errors.New("another auto-update is running; try again when it has ended")
	// ErrBeside is returned when Podman's own timer is enabled.
	ErrBeside = errors.New("podman-auto-update.timer is enabled, which updates the same containers; " +
		"disable it, or use --beside-podman")
	// ErrNotHeld is returned by Release for an image that is not on hold.
	ErrNotHeld = errors.New("it is not held")
	// ErrNoUpdate is wrapped by errors of Rollback for a unit without an update
	// that could be undone.
	ErrNoUpdate = errors.New("there is no update to undo")
	// ErrTemporary is wrapped by errors of a registry that may go away.
	ErrTemporary = errors.New("the registry is not available now")
)
