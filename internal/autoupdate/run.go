package autoupdate

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
)

// Updater keeps the containers of one user up to date. Its methods may be called
// concurrently: a lock on the state directory lets one of them make changes at a time.
type Updater struct {
	Podman   Podman
	Systemd  Systemd
	Registry Registry
	// Feed may be nil in a dry run.
	Feed  Feed
	Clock Clock
	// Dir is the state directory.
	Dir string
	// Progress is called with each step; nil: never. It may be called
	// concurrently.
	Progress func(Step)
}

// Step is a step of a run.
type Step struct {
	// Name is the step: first begin, then check, pull, restart, watch, tag-back,
	// roll-back, done.
	Name string
	// Object is the unit or image; for begin, the ID of the run.
	Object string
	// For is how long the step takes if nothing fails; 0: unknown.
	For time.Duration
}

// Options are those of a run.
type Options struct {
	// Units limits the run to these units; empty: all.
	Units []string
	// DryRun only checks.
	DryRun bool
	// PullOnly pulls, and restarts nothing.
	PullOnly bool
	// NoRollback does not roll back a failed update.
	NoRollback bool
	// AuthFile contains the credentials, unless a label names another file.
	AuthFile string
	// BesidePodman allows running although Podman's own timer is enabled.
	BesidePodman bool
	// LockTime is how long to wait for another run.
	LockTime time.Duration
}

// podmanTimer is the unit of Podman's own auto-update.
const podmanTimer = "podman-auto-update.timer"

// target is a managed container and its result.
type target struct {
	Managed
	result Result
	// image is what it is running, remote what the registry has.
	image  Image
	remote Remote
}

// end sets the outcome.
func (t *target) end(o Outcome, reason string) { t.result = t.result.is(o, reason) }

// run is the state of one run.
type run struct {
	*Updater
	Options
	report Report
	// missing are containers that an interrupted run was changing and that are not
	// running when this run begins.
	missing []*target
	// asked is how many requests had been made before this run.
	asked int
	// restarts allows two restarts at a time.
	restarts chan struct{}

	mu    sync.Mutex
	state State
}

// update changes the state and saves it.
func (r *run) update(change func(*State)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.state)
	return store{r.Dir}.save(r.state)
}

func (r *run) step(name, object string, d time.Duration) {
	if r.Progress != nil {
		r.Progress(Step{name, object, d})
	}
}

// begin takes the lock and reads the state.
func (u *Updater) begin(ctx context.Context, o Options) (*run, func(), error) {
	wait, cancel := context.WithTimeout(ctx, o.LockTime)
	defer cancel()
	release, err := store{u.Dir}.lock(wait)
	if err != nil {
		return nil, nil, err
	}
	own := *u
	own.Podman = &shared{Podman: u.Podman}
	r := &run{Updater: &own, Options: o, restarts: make(chan struct{}, 2)}
	if r.state, err = (store{u.Dir}).load(); err != nil {
		release()
		return nil, nil, err
	}
	r.report = Report{ID: rand.Text(), Start: u.Clock.Now(), DryRun: o.DryRun}
	return r, release, nil
}

// targets lists the managed containers that the options select.
func (r *run) targets(ctx context.Context) ([]*target, error) {
	all, err := r.Podman.Containers(ctx)
	if err != nil {
		return nil, err
	}
	r.asked = r.Registry.Requests()
	var targets []*target
	unknown := slices.Clone(r.Units)
	for _, u := range r.state.Unfinished { // a killed run may have left them down
		unknown = slices.DeleteFunc(unknown, func(n string) bool { return named(u.Units, n) })
	}
	for _, m := range Manage(all) {
		names := []string{m.Unit, strings.TrimSuffix(m.Unit, ".service"), m.Name}
		chosen := func(name string) bool { return name != "" && slices.Contains(names, name) }
		if len(r.Units) > 0 && !slices.ContainsFunc(r.Units, chosen) {
			continue
		}
		unknown = slices.DeleteFunc(unknown, chosen)
		if m.AuthFile == "" {
			m.AuthFile = r.AuthFile
		}
		t := &target{Managed: m, result: newResult(m)}
		if m.Problem != "" {
			t.end(Failed, m.Problem)
		}
		targets = append(targets, t)
	}
	if len(unknown) > 0 {
		return nil, errors.Errorf("cannot find %q: no managed container runs in a unit of that name; see the list of them", unknown[0])
	}
	return targets, nil
}

// Run checks all managed containers and updates those that have a new image. An error
// means that nothing was done; results of containers are in the report.
func (u *Updater) Run(ctx context.Context, o Options) (Report, error) {
	if !o.DryRun && !o.BesidePodman {
		if on, err := u.Systemd.Enabled(ctx, podmanTimer); err != nil {
			return Report{}, err
		} else if on {
			return Report{}, ErrBeside
		}
	}
	r, release, err := u.begin(ctx, o)
	if err != nil {
		return Report{}, err
	}
	defer release()
	targets, err := r.targets(ctx)
	if err != nil {
		return Report{}, err
	}
	r.step("begin", r.report.ID, 0)
	if !o.DryRun {
		r.mark(ctx, "begin")
	}
	r.check(ctx, targets)
	if o.DryRun {
		for _, t := range targets {
			if t.result.Result == "" {
				t.end(Pending, "")
			}
		}
		return r.finish(targets), nil
	}
	r.apply(ctx, r.plan(ctx, targets))
	report := r.finish(targets)
	r.tell(context.WithoutCancel(ctx), report)
	r.mark(context.WithoutCancel(ctx), "end")
	return report, r.update(func(s *State) { s.Runs = append(s.Runs, report) })
}

func (r *run) finish(targets []*target) Report {
	for _, t := range append(targets, r.missing...) {
		r.report.Results = append(r.report.Results, t.result)
	}
	r.report.End, r.report.Requests = r.Clock.Now(), r.Registry.Requests()-r.asked
	return r.report
}

// Attributes of the events.
const (
	attribute      = "io.podman.autoupdate."
	attributeRun   = attribute + "run"
	attributePhase = attribute + "phase"
)

// eventTime bounds the time to write an event.
const eventTime = 10 * time.Second

func (r *run) write(ctx context.Context, e events.Event) {
	if r.Feed == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, eventTime)
	defer cancel()
	e.Status, e.Time = events.AutoUpdate, time.Now()
	if err := r.Feed.Write(ctx, e); err != nil {
		r.step("event not written", err.Error(), 0)
	}
}

// mark writes the event for the begin or end of the run.
func (r *run) mark(ctx context.Context, phase string) {
	e := events.Event{Type: events.System, Name: "auto-update"}
	e.Attributes = map[string]string{attributeRun: r.report.ID, attributePhase: phase}
	if phase == "end" {
		pending := 0
		for _, c := range r.report.Results {
			if c.Result == Pending || c.Result == Held || c.Result == Deferred {
				pending++
			}
		}
		e.Attributes[attribute+"pending"] = strconv.Itoa(pending)
		e.Attributes[attribute+"requests"] = strconv.Itoa(r.report.Requests)
		e.Attributes[attribute+"ms"] = strconv.FormatInt(r.report.End.Sub(r.report.Start).Milliseconds(), 10)
	}
	r.write(ctx, e)
}

// tell writes an event for each container with news.
func (r *run) tell(ctx context.Context, report Report) {
	for _, c := range report.Results {
		if c.Result == Unchanged {
			continue
		}
		e := events.Event{Type: events.Container, ID: c.ContainerID, Name: c.ContainerName, Image: c.Image}
		e.Attributes = map[string]string{attributeRun: report.ID}
		for name, value := range map[string]string{
			"result": string(c.Result), "policy": c.Policy, "from": c.From, "to": c.To, "job": c.Unit, "reason": c.Error,
			"ms": strconv.FormatInt(c.Milliseconds, 10),
		} {
			if value != "" {
				e.Attributes[attribute+name] = value
			}
		}
		r.write(ctx, e)
	}
}

// List returns the managed containers, including those with a Problem.
func (u *Updater) List(ctx context.Context) ([]Managed, error) {
	all, err := u.Podman.Containers(ctx)
	return Manage(all), err
}

// Runs returns the last reports, the newest last, and the holds by image name.
func (u *Updater) Runs() ([]Report, map[string]Hold, error) {
	st, err := store{u.Dir}.load()
	return st.Runs, st.Holds, err
}

// Hold keeps an image from being updated until Release: to one digest or, if the digest
// is empty, to any.
func (u *Updater) Hold(ctx context.Context, image, digest string, lockTime time.Duration) error {
	r, release, err := u.begin(ctx, Options{LockTime: lockTime})
	if err != nil {
		return err
	}
	defer release()
	return r.update(func(s *State) { s.Holds[image] = Hold{Digest: digest, Reason: "held by hand"} })
}

// Release ends the hold of an image.
func (u *Updater) Release(ctx context.Context, image string, lockTime time.Duration) error {
	r, release, err := u.begin(ctx, Options{LockTime: lockTime})
	if err != nil {
		return err
	}
	defer release()
	if _, held := r.state.Holds[image]; !held {
		return errors.WithMessagef(ErrNotHeld, "cannot release %s", image)
	}
	return r.update(func(s *State) { delete(s.Holds, image) })
}

// named reports whether the name is one of the units, with or without ".service".
func named(units []string, name string) bool {
	return slices.ContainsFunc(units, func(u string) bool { return u == name || strings.TrimSuffix(u, ".service") == name })
}
