package autoupdate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// change is a new image under a name.
type change struct {
	name     string
	authFile string
	policy   Policy
	// oldID is the image to roll back to, from its digest.
	oldID, from string
	to          Remote
	// newID is the image that the units must run, once it is known.
	newID string
}

// batch is a set of units that have to change together: they share an image, or one of
// them runs several images. All of them change, or none.
type batch struct {
	changes []*change
	targets []*target
	units   []string
	// undo is set if an interrupted run has put the digest on hold: the batch is only
	// rolled back.
	undo bool
	// resumed is set if an interrupted run may have restarted some units.
	resumed bool
	// dependants are the units that systemd stops with those of the batch, and that
	// were active before.
	dependants []string
}

// lane is batches that must not be applied at the same time, because systemd stops
// units of one with those of another.
type lane []*batch

// sets is a union-find structure over names.
type sets map[string]string

func (s sets) root(name string) string {
	for s[name] != "" && s[name] != name {
		name = s[name]
	}
	return name
}

func (s sets) join(a, b string) {
	if a, b = s.root(a), s.root(b); a != b {
		s[a] = b
	}
}

// plan groups the containers with a new image, and what an interrupted run left, into
// lanes.
func (r *run) plan(ctx context.Context, targets []*target) []lane {
	changes := make(map[string]*change)
	together := make(sets)
	units := make(map[string][]string) // by image name
	add := func(name, unit string) {
		together.join("image "+name, "unit "+unit)
		if !slices.Contains(units[name], unit) {
			units[name] = append(units[name], unit)
		}
	}
	undo := make(map[string]bool)
	for _, t := range targets {
		if u, is := r.state.Unfinished[t.Image]; is && slices.Contains(u.Units, t.Unit) {
			c := &change{name: t.Image, authFile: t.AuthFile, policy: t.Policy, oldID: u.OldID, from: u.From, to: t.remote}
			undo[t.Image] = undo[t.Image] || t.result.Result == Held
			// Whatever check found: what the unit runs was never verified.
			t.result.Result = ""
			if changes[t.Image] == nil {
				changes[t.Image] = c
			}
		}
	}
	for name, u := range r.state.Unfinished {
		if len(r.Units) > 0 && !slices.ContainsFunc(r.Units, func(n string) bool { return named(u.Units, n) }) {
			continue
		}
		if changes[name] == nil { // none of its containers is running
			changes[name] = &change{name: name, authFile: u.AuthFile, policy: u.Policy, oldID: u.OldID, from: u.From}
		}
		if changes[name].to.Digest == "" {
			changes[name].to = Remote{Digest: u.To}
		}
		h, held := r.state.Holds[name]
		undo[name] = undo[name] || held && h.holds(u.To, r.Clock.Now())
		for _, unit := range u.Units {
			add(name, unit)
			known := func(t *target) bool { return t.Unit == unit && t.Image == name }
			if !slices.ContainsFunc(targets, known) { // it is not running now, but is reported
				m := Managed{Container: Container{Name: strings.TrimSuffix(unit, ".service"), Image: name}, Unit: unit, Policy: u.Policy, Settle: u.Settle}
				r.missing = append(r.missing, &target{Managed: m, result: newResult(m)})
			}
		}
	}
	chosen := slices.Clone(r.missing)
	for _, t := range targets {
		if t.result.Result != "" {
			continue
		}
		if _, unfinished := r.state.Unfinished[t.Image]; !unfinished {
			_, err := r.Systemd.Unit(ctx, t.Unit)
			switch {
			case err != nil: // it disappeared: others that have the image are updated all the same
				t.end(Failed, err.Error())
				continue
			case t.Mode == ModeCheck && len(r.Units) == 0: // the user named the unit, which is an approval
				t.end(Pending, "label "+LabelMode+"=check")
				continue
			case t.Mode == ModePull && len(r.Units) == 0, r.PullOnly:
				r.pullOnly(ctx, t)
				continue
			}
			if t.Window != "" {
				switch open, err := r.Systemd.During(ctx, t.Window, r.Clock.Now()); {
				case err != nil:
					t.end(Failed, fmt.Sprintf("cannot use label %s=%s: %v", LabelWindow, t.Window, err))
					continue
				case !open:
					t.end(Pending, "outside the window of label "+LabelWindow+"="+t.Window)
					continue
				}
			}
		}
		chosen = append(chosen, t)
		// If containers of one name have both policies, the registry's image counts.
		if c := changes[t.Image]; c == nil || c.policy == PolicyLocal && t.Policy == PolicyRegistry {
			changes[t.Image] = &change{
				name: t.Image, authFile: t.AuthFile, policy: t.Policy, oldID: t.ImageID, from: t.result.From, to: t.remote,
			}
		}
		add(t.Image, t.Unit)
	}

	batches := make(map[string]*batch)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		root := together.root("image " + name)
		b := batches[root]
		if b == nil {
			b = new(batch)
			batches[root] = b
		}
		b.changes = append(b.changes, changes[name])
		b.undo = b.undo || undo[name]
		if _, unfinished := r.state.Unfinished[name]; unfinished {
			b.resumed = true
		}
		for _, u := range units[name] {
			if !slices.Contains(b.units, u) {
				b.units = append(b.units, u)
			}
		}
	}
	for _, t := range chosen {
		b := batches[together.root("image "+t.Image)]
		b.targets = append(b.targets, t)
	}
	return r.lanes(ctx, batches)
}

// lanes puts batches that affect each other's units into one lane.
func (r *run) lanes(ctx context.Context, batches map[string]*batch) []lane {
	related := make(sets)
	for _, root := range slices.Sorted(maps.Keys(batches)) {
		b := batches[root]
		slices.Sort(b.units)
		for _, name := range b.units {
			related.join("batch "+root, name)
			u, err := r.Systemd.Unit(ctx, name)
			if err != nil {
				continue // apply gets the same error
			}
			for _, d := range u.Dependants {
				related.join(name, d)
			}
		}
	}
	byRoot := make(map[string]lane)
	for _, root := range slices.Sorted(maps.Keys(batches)) {
		l := related.root("batch " + root)
		byRoot[l] = append(byRoot[l], batches[root])
	}
	var all []lane
	for _, root := range slices.Sorted(maps.Keys(byRoot)) { // they are independent, but runs are the same each time
		all = append(all, byRoot[root])
	}
	return all
}

// pullOnly pulls the image of a container that is not to be restarted.
func (r *run) pullOnly(ctx context.Context, t *target) {
	if t.Policy == PolicyRegistry {
		r.step("pull", t.Image, 0)
		if err := r.Podman.Pull(ctx, t.Image, t.AuthFile); err != nil {
			t.end(Failed, err.Error())
			return
		}
	}
	t.end(Pending, "pulled, not applied")
}
