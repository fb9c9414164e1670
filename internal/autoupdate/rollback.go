package autoupdate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// maxHold is the longest hold of a digest that failed.
const maxHold = 32 * 24 * time.Hour

// punish puts the digests of a batch on hold: for one day the first time, then twice as
// long each time.
func (r *run) punish(b *batch, cause error) error {
	return r.update(func(s *State) {
		for _, c := range b.changes {
			digest := c.to.Digest
			if digest == "" || c.newID == c.oldID && c.newID != "" {
				continue
			}
			h := s.Holds[c.name]
			if h.Digest != digest {
				h = Hold{Digest: digest}
			}
			h.Until = r.Clock.Now().Add(min(24*time.Hour<<min(h.Failures, 6), maxHold))
			h.Failures++
			h.Reason = cause.Error()
			s.Holds[c.name] = h
		}
	})
}

// tagBack gives the old image its name back.
func (r *run) tagBack(ctx context.Context, c *change) error {
	r.step("tag-back", c.name, 0)
	err := r.Podman.Tag(ctx, c.oldID, c.name)
	if err == nil {
		c.newID = c.oldID
	}
	return err
}

// rollBack puts the old images back and restarts the units that had changed. The hold
// is written first: if this process dies, the next run rolls back, too.
func (r *run) rollBack(ctx context.Context, b *batch, moved []string, cause error) {
	if !b.undo {
		if err := r.punish(b, cause); err != nil {
			cause = errors.Errorf("%v; %v", cause, err)
		}
	}
	down := make(map[string]error)
	wanted := make(map[string]string)
	for _, c := range b.changes {
		if err := r.tagBack(ctx, c); err != nil {
			b.end(Failed, fmt.Sprintf("%v; %v", cause, err))
			r.seeWhatIsDown(ctx, b)
			return
		}
		wanted[c.name] = c.oldID
	}
	// A unit that failed may have reached its start limit; restart resets that.
	var mu sync.Mutex
	var all sync.WaitGroup
	back := func(unit string) {
		r.step("roll-back", unit, b.settle())
		if err := r.restart(ctx, b, unit, wanted, false); err != nil {
			mu.Lock()
			down[unit] = err
			mu.Unlock()
		}
	}
	related := r.related(ctx, moved)
	for _, unit := range moved {
		if related {
			back(unit)
		} else {
			all.Go(func() { back(unit) })
		}
	}
	all.Wait()
	dead := r.revive(ctx, b.dependants)
	if ctx.Err() != nil {
		b.end(Failed, "interrupted: "+cause.Error())
		return
	}
	if err := r.forget(b); err != nil {
		cause = errors.Errorf("%v; %v", cause, err)
	}
	for _, t := range b.targets {
		t.result.From = b.changes[slices.IndexFunc(b.changes, func(c *change) bool { return c.name == t.Image })].from
		switch err := down[t.Unit]; {
		case err != nil:
			t.end(Failed, fmt.Sprintf("%v; the old image does not run either: %v", cause, err))
			t.result.Down = true
		case !slices.Contains(moved, t.Unit):
			t.end(Held, cause.Error())
		case len(dead) > 0:
			t.end(RolledBack, fmt.Sprintf("%v; units that need it do not start: %s", cause, strings.Join(dead, ", ")))
			t.result.Down = true
		default:
			t.end(RolledBack, cause.Error())
		}
	}
	r.renew(ctx, b)
	r.step("done", strings.Join(b.units, " "), 0)
}

// seeWhatIsDown sets Down for units that are not active.
func (r *run) seeWhatIsDown(ctx context.Context, b *batch) {
	for _, t := range b.targets {
		u, err := r.Systemd.Unit(ctx, t.Unit)
		t.result.Down = err != nil || u.ActiveState != "active"
	}
}

// Rollback puts back the image from before a unit's last update, for all units that
// share it, and holds the newer one until it is released.
func (u *Updater) Rollback(ctx context.Context, unit string, lockTime time.Duration) (Report, error) {
	r, release, err := u.begin(ctx, Options{LockTime: lockTime})
	if err != nil {
		return Report{}, err
	}
	defer release()
	targets, err := r.targets(ctx)
	if err != nil {
		return Report{}, err
	}
	b := &batch{undo: true}
	for _, t := range targets {
		if t.Unit != unit && strings.TrimSuffix(t.Unit, ".service") != unit && t.Name != unit {
			continue
		}
		p, is := r.state.Previous[t.Image]
		if !is {
			return Report{}, errors.WithMessagef(ErrNoUpdate, "cannot roll back %s, image %s", unit, t.Image)
		}
		b.changes = append(b.changes, &change{name: t.Image, authFile: t.AuthFile, policy: t.Policy, oldID: p.ImageID, from: p.Digest})
	}
	if len(b.changes) == 0 {
		return Report{}, errors.WithMessagef(ErrNoUpdate, "cannot roll back %s: no managed container of it runs", unit)
	}
	for _, t := range targets {
		if !slices.ContainsFunc(b.changes, func(c *change) bool { return c.name == t.Image }) {
			continue
		}
		t.result.To, t.remote = t.result.From, Remote{}
		b.targets = append(b.targets, t)
		if !slices.Contains(b.units, t.Unit) {
			b.units = append(b.units, t.Unit)
		}
	}
	r.step("begin", r.report.ID, 0)
	err = r.update(func(s *State) {
		for _, c := range b.changes {
			s.Holds[c.name] = Hold{Reason: "rolled back by hand"}
			s.Unfinished[c.name] = b.unfinished(c)
		}
	})
	if err != nil {
		return Report{}, err
	}
	r.mark(ctx, "begin")
	b.dependants = r.active(ctx, b.units)
	r.rollBack(ctx, b, b.units, errors.New("rolled back by hand"))
	report := r.finish(b.targets)
	r.tell(ctx, report)
	r.mark(ctx, "end")
	return report, r.update(func(s *State) { s.Runs = append(s.Runs, report) })
}
