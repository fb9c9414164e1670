package filter

import (
	"hash/maphash"
	"slices"
)

// maxChanges is how many containers a Changes remembers the verdict of, in some
// 40 kB. Beyond it the one is forgotten that it has known the longest: the next
// verdict of that counts as a change again, so that none is hidden.
const maxChanges = 1024

// Changes is what health=changed means to one reader: a verdict of a health check
// that is not the container's last one that this reader saw, or the first. It is
// not safe for concurrent use.
type Changes struct {
	group *group
	seed  maphash.Seed
	last  map[uint64]uint64 // verdict by container, both hashed
	order []uint64          // of the containers, as they were met
	next  int               // of order, which to forget
}

// Changes returns what a reader has to ask of each event that passes the filters,
// in their order, nil where there is no filter health=changed.
func (f *Filters) Changes() *Changes {
	if f == nil || f.changed == 0 {
		return nil
	}
	return &Changes{group: &f.groups[f.changed-1], seed: maphash.MakeSeed(), last: make(map[uint64]uint64)}
}

// Repeats returns what a reader asks of each event that it is given by a service which
// forgets its Changes when it restarts, to pass over a verdict that has not changed
// since. It is nil without health=changed, and where the filters keep changes from
// the reader, which then cannot know the last verdict.
func (f *Filters) Repeats() *Changes {
	c := f.Changes()
	if c == nil || len(c.group.none) > 0 || slices.ContainsFunc(c.group.all, func(c clause) bool { return !c.changed }) {
		return nil
	}
	return c
}

// Match reports whether an event that has passed the filters passes health=changed,
// too. To ask twice of an event that does not pass changes nothing.
func (c *Changes) Match(v *View) bool {
	changed := v.isVerdict() && v.Health != "" && c.note(v)
	is := func(clause *clause) bool {
		if clause.changed {
			return changed
		}
		return clause.match(v)
	}
	for i := range c.group.none {
		if is(&c.group.none[i]) {
			return false
		}
	}
	for i := range c.group.all {
		if !is(&c.group.all[i]) {
			return false
		}
	}
	for i := range c.group.any {
		if is(&c.group.any[i]) {
			return true
		}
	}
	return len(c.group.any) == 0
}

// note remembers a verdict, and reports whether it is another than before.
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
