//go:build systemd && cgo

package journald

import (
	"context"
	"math"
	"sync"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// block sums up a run of entries: it begins with an entry and ends with the
// next block.
type block struct {
	start  place
	newest int64 // time of an event in it, in nanoseconds since the epoch
}

// index is the blocks of the journal of this host, so that a reading of what is
// younger than some time begins where that is. Podman's clock of an event and
// journald's of its entry are two: an event can be given any time, so no margin
// between them would be safe. It grows when somebody asks for it.
type index struct {
	mu     sync.Mutex
	blocks []block
	end    place // what is behind it is not in the index yet
	hasEnd bool
}

func (x *index) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.blocks, x.hasEnd = nil, false
}

// skipBySince moves the start of a reading to the first block that holds events
// that are young enough.
func (r *reading) skipBySince(ctx context.Context) error {
	if r.query.Since == store.NoSince || !r.s.ofHost() {
		return nil // elsewhere entries can come to lie in front of what is in the index
	}
	x := &r.s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.extend(ctx, r.s, &r.base); err != nil {
		return err
	}
	for i := range x.blocks {
		b := &x.blocks[i]
		if b.newest <= r.query.Since {
			continue
		}
		if !r.hasFrom || b.start.compare(&r.from) > 0 {
			r.from, r.hasFrom, r.inclusive = b.start, true, true
		}
		return nil
	}
	r.finish()
	return nil
}

// extend reads the times of what has come since.
func (x *index) extend(ctx context.Context, s *Store, base *mark) error {
	end := mark{place: x.end, known: x.hasEnd}
	if !s.beyond(&base.place, &end) {
		return nil
	}
	h, err := s.openPodman()
	if err != nil {
		return unavailable(err)
	}
	defer h.close()
	if x.hasEnd {
		err = h.seekCursor(x.end.text())
	} else {
		err = h.seekHead()
	}
	if err != nil {
		return unavailable(err)
	}
	var entries []entry
	var d decoder
	for last := false; !last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if entries, last, err = h.fill(entries, false, fillEntries, onlyTimes); err != nil {
			return unavailable(err)
		}
		b := block{newest: math.MinInt64}
		n := 0
		for i := range entries {
			e := &entries[i]
			if x.hasEnd && e.place.compare(&x.end) <= 0 {
				continue
			}
			if s.beyond(&e.place, base) {
				last = true
				break
			}
			if n == 0 {
				b.start = e.place
			}
			n++
			x.end, x.hasEnd = e.place, true
			d.read(e.fields)
			if ns, ok := line.ParseTime(d.values.Time); ok {
				b.newest = max(b.newest, ns)
			}
		}
		x.add(b, n)
	}
	return nil
}

// leastBlock is how many entries a block has to sum up to be one of its own.
const leastBlock = fillEntries / 2

func (x *index) add(b block, n int) {
	if n == 0 {
		return
	}
	if last := len(x.blocks) - 1; n < leastBlock && last >= 0 {
		x.blocks[last].newest = max(x.blocks[last].newest, b.newest)
		return
	}
	x.blocks = append(x.blocks, b)
}
