package autoupdate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
)

// healthTime is how long after the settle time a health check may still be "starting".
const healthTime = 5 * time.Minute

// restart restarts a unit of a batch, and watches it until the settle time is over.
// wanted maps image names to image IDs. untouched: the unit ran other images when this
// run began; then it is left alone if it was stopped since. Otherwise it is not
// restarted if it already runs the wanted images. The error says what failed.
func (r *run) restart(ctx context.Context, b *batch, unit string, wanted map[string]string, untouched bool) error {
	follow, stop := context.WithCancel(ctx)
	defer stop()
	// Before the restart, so that no event is missed.
	feed, err := r.Feed.Follow(follow)
	if err != nil {
		return errors.WithMessage(err, "cannot follow events")
	}
	state, err := r.Systemd.Unit(ctx, unit)
	if err != nil {
		return goneError{err}
	}
	if untouched && (state.ActiveState == "inactive" || state.ActiveState == "deactivating") {
		return goneError{errors.Errorf("cannot update unit %s: it was stopped meanwhile", unit)}
	}
	var containers []Container
	if !untouched {
		containers, err = r.containersOf(ctx, unit, wanted)
	}
	if untouched || err != nil || state.ActiveState != "active" {
		members := r.active(ctx, []string{unit})
		for _, d := range state.Dependants {
			if slices.Contains(b.dependants, d) && !slices.Contains(members, d) {
				members = append(members, d)
			}
		}
		if err := r.restartJob(ctx, unit); err != nil {
			return err
		}
		// systemd restarts dependent units by jobs of their own; the containers of a
		// pod are among them.
		if down := r.start(ctx, members); len(down) > 0 {
			return errors.Errorf("units that need it do not start: %s", strings.Join(down, ", "))
		}
		if state, err = r.Systemd.Unit(ctx, unit); err != nil {
			return err
		}
		if state.ActiveState != "active" {
			return errors.Errorf("unit %s is %s (%s)", unit, state.ActiveState, state.Result)
		}
		if containers, err = r.containersOf(ctx, unit, wanted); err != nil {
			return err
		}
	}
	r.step("watch", unit, b.settle())
	if err := r.watch(ctx, feed, containers, b.settle()); err != nil {
		return err
	}
	now, err := r.Systemd.Unit(ctx, unit)
	if err != nil {
		return err
	}
	if now.ActiveState != "active" || now.Invocation != state.Invocation {
		return errors.Errorf("unit %s did not stay active: it is %s (%s)", unit, now.ActiveState, now.Result)
	}
	return nil
}

func (r *run) restartJob(ctx context.Context, unit string) error {
	select {
	case r.restarts <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.restarts }()
	r.step("restart", unit, 0)
	result, err := r.Systemd.Restart(ctx, unit)
	if err != nil {
		return err
	}
	if result != "done" {
		return errors.Errorf("restarting unit %s: job %s", unit, result)
	}
	return nil
}

// containersOf returns the running containers of a unit that have one of the images. It
// is an error if there is none, or if one runs another image.
func (r *run) containersOf(ctx context.Context, unit string, wanted map[string]string) ([]Container, error) {
	all, err := r.Podman.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var found []Container
	for _, m := range Manage(all) {
		id, is := wanted[m.Image]
		if m.Unit != unit || !is {
			continue
		}
		if m.ImageID != id {
			return nil, errors.Errorf("container %s runs image %.12s and not %.12s: does its unit recreate the container?",
				m.Name, m.ImageID, id)
		}
		found = append(found, m.Container)
	}
	if len(found) == 0 {
		return nil, errors.Errorf("no container of unit %s runs", unit)
	}
	return found, nil
}

// watch watches containers until the settle time is over and all that have a health
// check are healthy.
func (r *run) watch(ctx context.Context, feed <-chan events.Event, containers []Container, settle time.Duration) error {
	ids := make([]string, 0, len(containers))
	for _, c := range containers {
		ids = append(ids, c.ID)
	}
	settled, late := r.Clock.After(settle), r.Clock.After(settle+healthTime)
	over := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return errors.Errorf("not healthy after %v", settle+healthTime)
		case <-settled:
			over = true
		case e, more := <-feed:
			if !more { // no events can be followed: the state at the end of the settle time decides
				feed = nil
				continue
			}
			if !slices.Contains(ids, e.ID) {
				continue
			}
			switch {
			case e.Status == events.Exited:
				code := ""
				if e.ContainerExitCode != nil {
					code = fmt.Sprintf(" with exit code %d", *e.ContainerExitCode)
				}
				return errors.Errorf("container %s ended%s", e.Name, code)
			case e.Status == events.HealthStatus:
			default:
				continue
			}
		}
		healthy, err := r.look(ctx, ids)
		if err != nil {
			return err
		}
		if over && healthy {
			return nil
		}
	}
}

// look reports whether the containers are running and, if they have a health check,
// healthy. It is an error if one has ended or is unhealthy.
func (r *run) look(ctx context.Context, ids []string) (healthy bool, err error) {
	states, err := r.Podman.Inspect(ctx, ids...)
	if err != nil {
		return false, err
	}
	if len(states) < len(ids) {
		return false, errors.New("the container is gone")
	}
	healthy = true
	for _, s := range states {
		switch {
		case !s.Running:
			return false, errors.Errorf("container %s is not running", s.Name)
		case s.HasHealthCheck && s.Health == "unhealthy":
			return false, errors.Errorf("container %s is unhealthy", s.Name)
		case s.HasHealthCheck && s.Health != "healthy":
			healthy = false
		}
	}
	return healthy, nil
}

// active returns the active ones of the units that systemd stops with the given ones.
func (r *run) active(ctx context.Context, units []string) []string {
	var all []string
	for _, name := range units {
		u, err := r.Systemd.Unit(ctx, name)
		if err != nil {
			continue
		}
		for _, d := range u.Dependants {
			if slices.Contains(units, d) || slices.Contains(all, d) {
				continue
			}
			if s, err := r.Systemd.Unit(ctx, d); err == nil && s.ActiveState == "active" {
				all = append(all, d)
			}
		}
	}
	return all
}

// revive starts the units that were active and are not any more, and returns those that
// stay down.
func (r *run) revive(ctx context.Context, units []string) (down []string) {
	for _, name := range units {
		u, err := r.Systemd.Unit(ctx, name)
		if err == nil && u.ActiveState == "active" {
			continue
		}
		r.step("restart", name, 0)
		down = append(down, r.start(ctx, []string{name})...)
	}
	return down
}

// start starts units, waits for their jobs in progress, and returns the units that are
// not running.
func (r *run) start(ctx context.Context, units []string) (down []string) {
	for _, name := range units {
		if result, err := r.Systemd.Start(ctx, name); err != nil || result != "done" {
			down = append(down, name)
		}
	}
	return down
}
