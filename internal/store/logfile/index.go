package logfile

import (
	"math"
	"sort"
	"sync"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// block sums up a run of whole lines, so that it can be passed over when no
// event in it can be wanted. Times are not in order in the log, so a block has
// the oldest and the newest, whichever lines they are of.
type block struct {
	end            int64 // offset behind it
	oldest, newest int64 // times of its events, in nanoseconds since the epoch
	types          uint64
	statuses       uint64
}

func newBlock() block { return block{oldest: math.MaxInt64, newest: math.MinInt64} }

// add counts an event in.
func (b *block) add(f *line.Fields) {
	b.oldest, b.newest = min(b.oldest, f.Time), max(b.newest, f.Time)
	b.types |= 1 << f.Type
	b.statuses |= 1 << f.Status
}

// mayMatch tells whether an event of the block can answer the query. False is
// certain.
func (b *block) mayMatch(q *store.Query) bool {
	return (q.Since == store.NoSince || b.newest > q.Since) && (q.Until == store.NoUntil || b.oldest < q.Until) &&
		q.Filters.MayMatch(b.types, b.statuses)
}

// mayHold tells whether an event of that time can be in the block.
func (b *block) mayHold(time int64) bool { return b.oldest <= time && time <= b.newest }

// leastBlock is how much of the file a block has to sum up to be worth its
// place, in bytes.
const leastBlock = chunkSize / 2

// index is the blocks of a generation from its start, as far as it has been
// read without a break. It grows on the way of those who read, and is never
// waited for. It is safe for concurrent use.
type index struct {
	mu     sync.RWMutex
	blocks []block
}

// endLocked returns the offset behind the last block.
func (x *index) endLocked() int64 {
	if len(x.blocks) == 0 {
		return 0
	}
	return x.blocks[len(x.blocks)-1].end
}

// add appends the block that begins at the offset, if that is where the index
// ends.
func (x *index) add(start int64, b block) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.endLocked() == start && b.end-start >= leastBlock {
		x.blocks = append(x.blocks, b)
	}
}

// at returns the block that the offset is in, and whether it begins there.
func (x *index) at(off int64) (b block, begins, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	i := sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].end > off })
	if i == len(x.blocks) {
		return b, false, false
	}
	start := int64(0)
	if i > 0 {
		start = x.blocks[i-1].end
	}
	return x.blocks[i], start == off, true
}
