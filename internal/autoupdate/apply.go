package autoupdate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// spareBytes is the free space that must be left after a pull.
const spareBytes = 64 << 20

// previousName is the name that keeps the image from before an update, so that "podman
// image prune" does not remove it.
func previousName(image string) string {
	return fmt.Sprintf("localhost/eventsvc-previous:%x", sha256.Sum256([]byte(image)))[:40]
}

// apply updates all lanes, in parallel.
func (r *run) apply(ctx context.Context, lanes []lane) {
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() {
			for _, b := range l {
				start := r.Clock.Now()
				r.applyBatch(ctx, b)
				for _, t := range b.targets {
					t.result.Milliseconds = r.Clock.Now().Sub(start).Milliseconds()
				}
			}
		})
	}
	all.Wait()
}

// settle returns the longest settle time in a batch.
func (b *batch) settle() time.Duration {
	d := time.Duration(0)
	for _, t := range b.targets {
		d = max(d, t.Settle)
	}
	if len(b.targets) == 0 {
		d = DefaultSettle
	}
	return d
}

// end gives all containers of the batch the same outcome.
func (b *batch) end(o Outcome, reason string) {
	for _, t := range b.targets {
		t.end(o, reason)
	}
}

func (r *run) applyBatch(ctx context.Context, b *batch) {
	if b.undo {
		r.rollBack(ctx, b, b.units, errors.New("the run that failed was interrupted"))
		return
	}
	if err := r.fetch(ctx, b); err != nil {
		// This run has restarted nothing: the name goes back to the old image.
		for _, c := range b.changes {
			_ = r.tagBack(context.WithoutCancel(ctx), c)
		}
		if !b.resumed {
			_ = r.forget(b)
			b.end(Failed, err.Error())
			return
		}
	}
	wanted := make(map[string]string)
	for _, c := range b.changes {
		wanted[c.name] = c.newID
	}
	b.dependants = r.active(ctx, b.units)
	moved, err := r.move(ctx, b, wanted)
	if err == nil {
		if down := r.revive(ctx, b.dependants); len(down) > 0 {
			err = errors.Errorf("units that need it do not start: %s", strings.Join(down, ", "))
		}
	}
	switch {
	case err == nil && len(b.units) == 0:
		_ = r.forget(b)
	case err == nil:
		r.succeed(ctx, b)
	case ctx.Err() != nil: // the next run continues
		b.end(Failed, "interrupted: "+ctx.Err().Error())
	case r.NoRollback:
		_ = r.punish(b, err)
		_ = r.forget(b)
		b.end(Failed, err.Error())
		r.seeWhatIsDown(ctx, b)
	default:
		r.rollBack(ctx, b, moved, err)
	}
}

// unfinished returns what the next run has to know about a change of the batch.
func (b *batch) unfinished(c *change) Unfinished {
	return Unfinished{
		OldID: c.oldID, From: c.from, To: c.to.Digest, Units: slices.Clone(b.units), Policy: c.policy, AuthFile: c.authFile,
		Settle: b.settle(),
	}
}

// fetch pulls the images of a batch.
func (r *run) fetch(ctx context.Context, b *batch) error {
	err := r.update(func(s *State) {
		for _, c := range b.changes {
			s.Unfinished[c.name] = b.unfinished(c)
		}
	})
	if err != nil {
		return err
	}
	for _, c := range b.changes {
		if err := r.Podman.Tag(ctx, c.oldID, previousName(c.name)); err != nil {
			return err
		}
		if c.policy == PolicyRegistry {
			if err := r.pull(ctx, b, c); err != nil {
				return err
			}
		}
		images, err := r.Podman.Images(ctx, c.name)
		if err == nil && len(images) == 0 {
			err = errNoImage
		}
		if err != nil {
			return errors.WithMessagef(err, "cannot find image %s after the pull", c.name)
		}
		c.newID = images[0].ID
		if c.policy == PolicyRegistry && c.to.Instance != "" && !slices.Contains(images[0].Digests, c.to.Digest) &&
			!slices.Contains(images[0].Digests, c.to.Instance) {
			return errors.Errorf("cannot use image %s: its registry announced %s and served another", c.name, c.to.Digest)
		}
	}
	return nil
}

func (r *run) pull(ctx context.Context, b *batch, c *change) error {
	container := ""
	if len(b.targets) > 0 {
		container = b.targets[0].ID // empty if it is not running
	}
	free, err := r.Podman.FreeBytes(ctx, container)
	if err != nil {
		return err
	}
	// For a while, layers are kept both compressed and unpacked.
	if need := 2*uint64(max(0, c.to.Size)) + spareBytes; free < need {
		return errors.Errorf("cannot pull %s: the storage has %d MB free, %d MB are needed", c.name, free>>20, need>>20)
	}
	r.step("pull", c.name, 0)
	return r.Podman.Pull(ctx, c.name, c.authFile)
}

// move restarts the units: one first and, if that one is healthy, the others, in
// parallel unless systemd restarts one of them with another. It returns the units that
// it touched. A unit that was changed, stopped or removed meanwhile leaves the batch:
// that is no verdict on the image.
func (r *run) move(ctx context.Context, b *batch, wanted map[string]string) (moved []string, err error) {
	var mu sync.Mutex
	var left []string
	related := r.related(ctx, b.units)
	restart := func(ctx context.Context, unit string) error {
		err := r.restart(ctx, b, unit, wanted, !related && !b.resumed)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if image := r.replaced(ctx, b, unit); image != "" {
			err = goneError{errors.Errorf("cannot update unit %s: it was changed meanwhile, and its container runs image %s; run auto-update again", unit, image)}
		}
		if !errors.As(err, new(goneError)) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		left = append(left, unit)
		for _, t := range b.targets {
			if t.Unit == unit {
				t.end(Failed, err.Error())
			}
		}
		return nil
	}
	defer func() {
		gone := func(unit string) bool { return slices.Contains(left, unit) }
		moved = slices.DeleteFunc(slices.Clone(moved), gone)
		b.units = slices.DeleteFunc(slices.Clone(b.units), gone)
		b.targets = slices.DeleteFunc(slices.Clone(b.targets), func(t *target) bool { return gone(t.Unit) })
	}()
	done := 0
	for done < len(b.units) && (related || len(left) == done) { // a unit that left the batch has shown nothing
		if err := restart(ctx, b.units[done]); err != nil {
			return b.units[:done+1], err
		}
		done++
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, unit := range b.units[done:] {
		all.Go(func() {
			if err := restart(ctx, unit); err != nil {
				stop(err) // the first error counts
			}
		})
	}
	all.Wait()
	return b.units, context.Cause(ctx)
}

// goneError is the error of a unit that can no longer be updated, whatever the image.
type goneError struct{ error }

// replaced returns the image of a container of the unit that ran another one when this
// run began.
func (r *run) replaced(ctx context.Context, b *batch, unit string) string {
	all, err := r.Podman.Containers(ctx)
	if err != nil {
		return ""
	}
	for _, m := range Manage(all) {
		for _, t := range b.targets {
			if m.Unit == unit && t.Unit == unit && m.Name == t.Name && m.Image != t.Image {
				return m.Image
			}
		}
	}
	return ""
}

// related reports whether systemd stops one of the units with another.
func (r *run) related(ctx context.Context, units []string) bool {
	for _, name := range units {
		u, err := r.Systemd.Unit(ctx, name)
		if err != nil || slices.ContainsFunc(u.Dependants, func(d string) bool { return slices.Contains(units, d) }) {
			return true
		}
	}
	return false
}

// forget removes the batch from the unfinished ones.
func (r *run) forget(b *batch) error {
	return r.update(func(s *State) {
		for _, c := range b.changes {
			delete(s.Unfinished, c.name)
		}
	})
}

func (r *run) succeed(ctx context.Context, b *batch) {
	err := r.update(func(s *State) {
		for _, c := range b.changes {
			delete(s.Unfinished, c.name)
			if c.newID == c.oldID {
				continue
			}
			s.Previous[c.name] = Previous{ImageID: c.oldID, Digest: c.from}
			if s.Holds[c.name].Failures > 0 {
				delete(s.Holds, c.name)
			}
		}
	})
	if err != nil {
		b.end(Failed, err.Error())
		return
	}
	for _, t := range b.targets {
		c := b.changes[slices.IndexFunc(b.changes, func(c *change) bool { return c.name == t.Image })]
		t.result.From = c.from
		if t.result.To == "" {
			t.result.To = c.to.Digest
		}
		if c.newID == c.oldID {
			t.end(Unchanged, "an interrupted run was undone")
		} else {
			t.end(Updated, "")
		}
	}
	r.renew(ctx, b)
	r.step("done", strings.Join(b.units, " "), 0)
}

// renew updates the results with the IDs of the containers that are running now.
func (r *run) renew(ctx context.Context, b *batch) {
	all, err := r.Podman.Containers(ctx)
	if err != nil {
		return
	}
	for _, t := range b.targets {
		if i := slices.IndexFunc(all, func(c Container) bool { return c.Name == t.Name }); i >= 0 {
			t.Managed.Container = all[i]
			id := newResult(t.Managed)
			t.result.Container, t.result.ContainerID = id.Container, id.ContainerID
		}
	}
}
