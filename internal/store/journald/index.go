//go:build systemd && cgo

package journald

import (
	"context"
	"math"
	"strings"
	"sync"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// block summarizes a run of entries, from its first entry to the next block.
type block struct {
	start  sdjournal.Place
	newest int64 // time of an event in it, in nanoseconds since the epoch
	count  int   // of entries
}

// index is what is known about the events in this host's journal without reading them
// again. It is extended on demand.
//
// Its blocks tell where to begin for events newer than some time. Podman's clock for
// the event and journald's for the entry differ, and an event can have any time, so no
// fixed margin between them would be safe. The IDs, names and images are for searches
// by prefix, which the journal does not support.
type index struct {
	mu          sync.Mutex
	blocks      []block
	end         sdjournal.Place // up to which entries are in the index
	hasEnd      bool
	older       int                            // as in oldest, when it was started
	values      map[string]map[string]struct{} // by field
	size        int                            // of the values, in bytes
	unknownUser bool                           // there is an entry without a user
}

// maxIndex bounds the memory for IDs, names and images. Beyond it all events are
// searched.
const maxIndex = 16 << 20

func (x *index) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clear()
}

func (x *index) clear() {
	x.blocks, x.hasEnd, x.values, x.size, x.unknownUser = nil, false, nil, 0, false
}

// note records a value of a field.
func (x *index) note(field string, value []byte) {
	if len(value) == 0 || x.size > maxIndex {
		return
	}
	if _, known := x.values[field][string(value)]; known {
		return
	}
	if x.values == nil {
		x.values = make(map[string]map[string]struct{})
	}
	if x.values[field] == nil {
		x.values[field] = make(map[string]struct{})
	}
	const overhead = 48
	x.values[field][string(value)] = struct{}{}
	if x.size += len(value) + overhead; x.size > maxIndex {
		x.values = nil
	}
}

// beginning returns the values of a field with a prefix; ok is false if there are more
// than so many, or not all are known.
func (x *index) beginning(field, prefix string, most int) (values []string, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.size > maxIndex {
		return nil, false
	}
	for value := range x.values[field] {
		if strings.HasPrefix(value, prefix) {
			if values = append(values, value); len(values) > most {
				return nil, false
			}
		}
	}
	return values, true
}

// everyUserKnown reports whether every entry has a user.
func (r *reading) everyUserKnown(ctx context.Context) (bool, error) {
	if !r.s.ofHost() {
		return false, nil
	}
	if err := r.extendIndex(ctx); err != nil {
		return false, err
	}
	r.s.index.mu.Lock()
	defer r.s.index.mu.Unlock()
	return !r.s.index.unknownUser, nil
}

// extendIndex extends the index up to the mark of a pass.
func (r *reading) extendIndex(ctx context.Context) error {
	x := &r.s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.extend(ctx, r)
}

// skipBySince moves the start of a reading to the first block with events that are new
// enough.
func (r *reading) skipBySince(ctx context.Context) error {
	if r.query.Since == store.NoSince || !r.s.ofHost() {
		return nil // in other journals, entries may be added before those in the index
	}
	x := &r.s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.extend(ctx, r); err != nil {
		return err
	}
	for i := range x.blocks {
		b := &x.blocks[i]
		if b.newest <= r.query.Since {
			continue
		}
		if !r.hasFrom || b.start.Compare(&r.from) > 0 {
			r.from, r.hasFrom, r.inclusive = b.start, true, true
		}
		return nil
	}
	r.finish()
	return nil
}

// extend reads what is new since the last time, or everything if journals have appeared
// that are older than what has been read.
func (x *index) extend(ctx context.Context, r *reading) error {
	s, base := r.s, &r.base
	if x.older < r.older {
		x.clear()
		x.older = r.older
	}
	end := mark{place: x.end, known: x.hasEnd}
	if !s.beyond(&base.place, &end) {
		return nil
	}
	h, err := s.openPodman()
	if err != nil {
		return err
	}
	defer h.Close()
	begun := x.hasEnd
	if begun {
		h.Seek(&x.end)
	} else if err := h.SeekHead(); err != nil {
		return err
	}
	var entries []sdjournal.Entry
	var d decoder
	for last := false; !last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if entries, last, err = h.Next(entries, sdjournal.MaxEntries, indexFields); err != nil {
			if !begun {
				x.clear() // only the header of a file shows what is missing
			}
			return err
		}
		b := block{newest: math.MinInt64}
		n := 0
		for i := range entries {
			e := &entries[i]
			if x.hasEnd && e.Place.Compare(&x.end) <= 0 {
				continue
			}
			if s.beyond(&e.Place, base) {
				last = true
				break
			}
			if n == 0 {
				b.start = e.Place
			}
			n++
			x.end, x.hasEnd = e.Place, true
			d.read(e.Fields)
			x.unknownUser = x.unknownUser || e.Fault == nil && d.user() < 0
			x.note("PODMAN_ID", d.values.ID)
			x.note("PODMAN_NAME", d.values.Name)
			x.note("PODMAN_NETWORK_NAME", d.values.Network)
			x.note("PODMAN_IMAGE", d.values.Image)
			if ns, ok := line.ParseTime(d.values.Time); ok {
				b.newest = max(b.newest, ns)
			}
		}
		x.add(b, n)
	}
	return nil
}

// leastBlock is how many entries a block of its own has at least.
const leastBlock = sdjournal.MaxEntries / 2

func (x *index) add(b block, n int) {
	if n == 0 {
		return
	}
	if last := len(x.blocks) - 1; n < leastBlock && last >= 0 && x.blocks[last].count < sdjournal.MaxEntries {
		x.blocks[last].newest = max(x.blocks[last].newest, b.newest)
		x.blocks[last].count += n
		return
	}
	b.count = n
	x.blocks = append(x.blocks, b)
}
