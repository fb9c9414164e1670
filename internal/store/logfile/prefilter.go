package logfile

import "github.com/eventsvc/eventsvc/internal/store"

// prefilter is what a query requires of an entry, checked before the line is read.
type prefilter struct {
	query    *store.Query
	types    uint64 // an event of another type does not match
	statuses uint64
	outcomes uint64
	objects  bool // an event with a mark in none of these three does not match
	ids      [1 << idBits]bool
	names    [1 << nameBits]bool
	begun    [1 << beginningBits]bool
	any      bool // every entry passes, apart from its time
}

func newPrefilter(q *store.Query) *prefilter {
	f := &prefilter{query: q, outcomes: q.Filters.Outcomes()}
	f.types, f.statuses = q.Filters.Passing()
	objects, ok := q.Filters.Objects()
	for _, id := range objects.IDs {
		ok = ok && len(id) >= markedPrefix
		f.ids[idMark(id)] = true
	}
	for _, name := range objects.Names {
		f.names[anyName], f.names[nameMark(name)] = true, true
	}
	for _, start := range objects.Beginnings {
		ok = ok && len(start) >= markedPrefix
		f.begun[anyName], f.begun[beginningMark(start)] = true, true
	}
	f.objects = ok
	f.any = f.types&f.statuses&f.outcomes == ^uint64(0) && !ok
	return f
}

// Whether the event of an entry can answer the query, apart from its time, is asked in
// two functions, as one would be too long to be inlined into the loop over all entries.

// isOfObject reports whether the event can be of an object that is asked for.
func (f *prefilter) isOfObject(e entry) bool {
	return !f.objects || f.ids[e.id()] || f.names[e.name()] || f.begun[e.beginning()]
}

// isOfKind reports whether its type, status and outcome can.
func (f *prefilter) isOfKind(e entry) bool {
	return (f.types>>e.typ())&(f.statuses>>e.status())&(f.outcomes>>e.outcome())&1 != 0
}

// part is a part of a block that has to be read.
type part struct {
	start, end int64 // offsets in the file, of whole lines
	// wanted is how many of its lines may match, every for any of them.
	wanted int
}

const every = -1

// A gap shorter than mergeGap between two wanted lines is read with them: that takes no
// longer than another system call.
const mergeGap = 1 << 10

// parts appends the parts of a block that have to be read, and the offsets of the lines
// that may match.
func (f *prefilter) parts(dst []part, wanted []int64, b *block) ([]part, []int64) {
	q := f.query
	since := q.Since != store.NoSince && q.Since >= b.oldest
	until := q.Until != store.NoUntil && q.Until <= b.newest
	if b.entries == nil || f.any && !since && !until {
		return append(dst, part{b.start, b.end, every}), wanted
	}
	least, most := uint64(0), ^uint64(0)
	if since {
		least = b.ticks(q.Since)
	}
	if until {
		most = b.ticks(q.Until)
	}
	first := len(dst)
	for i, e := range b.entries {
		if !f.isOfObject(e) || !f.isOfKind(e) || e.ticks() < least || e.ticks() > most {
			continue
		}
		start, end := b.start+e.offset(), b.end
		if i+1 < len(b.entries) {
			end = b.start + b.entries[i+1].offset()
		}
		wanted = append(wanted, start)
		if n := len(dst); n > first && start-dst[n-1].end < mergeGap {
			dst[n-1].end = end
			dst[n-1].wanted++
		} else {
			dst = append(dst, part{start: start, end: end, wanted: 1})
		}
	}
	return dst, wanted
}
