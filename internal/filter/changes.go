package filter

import (
	"hash/maphash"
	"slices"
)

// maxChanges is how many containers' verdicts a Changes remembers, in some 40 kB.
// Beyond it the oldest container is forgotten: its next verdict counts as a change
// again, so no change is hidden.
const maxChanges = 1024

// Changes implements health=changed for one reader: a verdict of a health check passes
// if it is the container's first or differs from the last one that this reader saw. It
// is not safe for concurrent use.
type Changes struct {
	group *group
	seed  maphash.Seed
	last  map[uint64]uint64 // verdict by container, both hashed
	order []uint64          // of the containers, in the order of their first verdict
	next  int               // index in order of the next to forget
}

// Changes returns what a reader applies to each event that passes the filters, in
// order; nil without a filter health=changed.
func (f *Filters) Changes() *Changes {
	if f == nil || f.changed == 0 {
		return nil
	}
	return &Changes{group: &f.groups[f.changed-1], seed: maphash.MakeSeed(), last: make(map[uint64]uint64)}
}

// Repeats returns a Changes that a client applies to the events from a service, which
// forgets its own Changes when it restarts, to drop verdicts that have not changed
// since. It is nil without health=changed, and if other filters hide changes from the
// client, which then cannot know the last verdict.
func (f *Filters) Repeats() *Changes {
	c := f.Changes()
	if c == nil || len(c.group.none) > 0 || slices.ContainsFunc(c.group.all, func(c clause) bool { return !c.changed }) {
		return nil
	}
	return c
}

// Match reports whether an event that has passed the filters passes health=changed,
// too. Calling it again for an event that does not pass has no effect.
func (c *Changes) Match(v *View) bool {
	changed := v.isVerdict() && v.Health != "" && c.note(v)
	return c.group.decide(v, changed)
}

// note records a verdict, and reports whether it differs from the last.
func (c *Changes) note(v *View) bool {
	object := v.ID
	if object == "" {
		object = v.Name
	}
	key := maphash.Comparable(c.seed, struct {
		object, host string
		uid          int64
	}{object, v.Host, v.UID})
	verdict := maphash.String(c.seed, v.Health)
	last, known := c.last[key]
	if known && last == verdict {
		return false
	}
	if !known {
		if len(c.order) < maxChanges {
			c.order = append(c.order, key)
		} else {
			delete(c.last, c.order[c.next])
			c.order[c.next] = key
			c.next = (c.next + 1) % maxChanges
		}
	}
	c.last[key] = verdict
	return true
}
