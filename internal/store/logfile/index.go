package logfile

import (
	"math"
	"math/bits"
	"sort"
	"sync"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

// index is what is known of the lines of a generation, from its start up to where the
// indexer has got: blocks, and in each an entry for every event. A reader uses what is
// indexed and reads the rest from the file; it never waits for the index. It is safe
// for concurrent use.
type index struct {
	mu     sync.RWMutex
	blocks []block
	bare   int   // how many blocks, from the first, have had their entries dropped
	held   int64 // bytes of entries
	twins  twins // after the last block; used only by the indexer
}

// block summarizes a run of whole lines. It does not change, except that its entries
// may be dropped.
type block struct {
	start, end int64 // offsets in the file
	// The range of the times of its events, in nanoseconds since the epoch. In the log
	// they are not in order.
	oldest, newest int64
	types          uint64 // bit n: there are events of the type with code n
	statuses       uint64
	// twins is set if some of its events are equal to others near them. Their cursors
	// depend on the events before, so the block has to be read in sequence.
	twins   bool
	shift   uint8   // of the times in entries
	entries []entry // of its events in order, nil if they were dropped
}

// entry is an event in eight bytes. From the lowest bit on: the offset of its line in
// the block; its type and status; marks of its ID, its name and the beginning of its
// name; its outcome (filter.View.Outcome); and its time since the oldest of the block,
// in units of 1<<shift nanoseconds.
type entry uint64

const (
	offsetBits    = 20
	typeBits      = 4
	statusBits    = 6
	idBits        = 8
	nameBits      = 8
	beginningBits = 4
	outcomeBits   = 4
	timeBits      = 64 - timeShift

	typeShift      = offsetBits
	statusShift    = typeShift + typeBits
	idShift        = statusShift + statusBits
	nameShift      = idShift + idBits
	beginningShift = nameShift + nameBits
	outcomeShift   = beginningShift + beginningBits
	timeShift      = outcomeShift + outcomeBits
)

func (e entry) offset() int64 { return int64(e & (1<<offsetBits - 1)) }
func (e entry) typ() uint8    { return uint8(e >> typeShift & (1<<typeBits - 1)) }
func (e entry) status() uint8 { return uint8(e >> statusShift & (1<<statusBits - 1)) }
func (e entry) id() uint8     { return uint8(e >> idShift) }
func (e entry) name() uint8   { return uint8(e >> nameShift) }
func (e entry) ticks() uint64 { return uint64(e >> timeShift) }

func (e entry) beginning() uint8 { return uint8(e >> beginningShift & (1<<beginningBits - 1)) }
func (e entry) outcome() uint8   { return uint8(e >> outcomeShift & (1<<outcomeBits - 1)) }

// idMark is the same for all IDs that begin with the same markedPrefix bytes.
func idMark[T ~string | ~[]byte](id T) uint8 {
	if len(id) < markedPrefix {
		return 0
	}
	return uint8((uint32(id[0])<<8 | uint32(id[1])) * 40503 >> 8)
}

// markedPrefix is how many bytes of an ID or name determine the mark of its beginning.
const markedPrefix = 2

// nameMark is the same for equal names. It is never anyName.
func nameMark(name string) uint8 { return max(1, uint8(xxhash.Sum64String(name))) }

// beginningMark is the same for all names that begin with the same markedPrefix bytes;
// it is anyName for a shorter name.
func beginningMark(name string) uint8 {
	if len(name) < markedPrefix {
		return anyName
	}
	return 1 + idMark(name)%(1<<beginningBits-1)
}

// anyName is the mark of an event that has more than one name.
const anyName = 0

func (b *block) size() int64   { return b.end - b.start }
func (b *block) memory() int64 { return int64(len(b.entries)) * int64(unsafe.Sizeof(entry(0))) }

// ticks returns the time in an entry for a time not before the block's oldest.
func (b *block) ticks(time int64) uint64 {
	return min((uint64(time)-uint64(b.oldest))>>b.shift, 1<<timeBits-1)
}

// outOfTurn reports whether the block, up to the limit, can be read without the events
// before it.
func (b *block) outOfTurn(limit int64) bool {
	return !b.twins && b.end <= limit && b.size() < 1<<offsetBits
}

// mayMatch reports whether an event of the block can match the query. False is certain.
func (b *block) mayMatch(q *store.Query) bool {
	return (q.Since == store.NoSince || b.newest > q.Since) && (q.Until == store.NoUntil || b.oldest < q.Until) &&
		q.Filters.MayMatch(b.types, b.statuses)
}

// mayHold reports whether an event of that time can be in the block.
func (b *block) mayHold(time int64) bool { return b.oldest <= time && time <= b.newest }

// blockMaker builds a block from the events of a chunk.
type blockMaker struct {
	block
	made  []entry // without their times
	times []int64
}

func (m *blockMaker) begin() {
	m.made, m.times = m.made[:0], m.times[:0]
	m.block = block{oldest: math.MaxInt64, newest: math.MinInt64}
}

// add adds an event whose line is at the offset in the chunk.
func (m *blockMaker) add(offset int, d *decoded, twin bool) {
	f := &d.fields
	m.oldest, m.newest = min(m.oldest, f.Time), max(m.newest, f.Time)
	m.types |= 1 << f.Type
	m.statuses |= 1 << f.Status
	m.twins = m.twins || twin
	var v filter.View
	f.View(d.line, &v)
	name, beginning := nameMark(v.Name), beginningMark(v.Name)
	if v.Network != "" {
		name, beginning = anyName, anyName
	}
	m.made = append(m.made, entry(offset)&(1<<offsetBits-1)|entry(f.Type)<<typeShift|entry(f.Status)<<statusShift|
		entry(idMark(v.ID))<<idShift|entry(name)<<nameShift|entry(beginning)<<beginningShift|entry(v.Outcome())<<outcomeShift)
	m.times = append(m.times, f.Time)
}

// end returns the block for the chunk.
func (m *blockMaker) end(c *chunk) block {
	m.start, m.block.end = c.off, c.next
	if m.size() >= 1<<offsetBits {
		return m.block // a line of enormous length: it is read from the file
	}
	if len(m.times) > 0 {
		m.shift = uint8(max(0, bits.Len64(uint64(m.newest)-uint64(m.oldest))-timeBits))
	}
	m.entries = make([]entry, len(m.made))
	for i, e := range m.made {
		m.entries[i] = e | entry(m.ticks(m.times[i]))<<timeShift
	}
	return m.block
}

// extent returns the offset after the last block.
func (x *index) extent() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.extentLocked()
}

func (x *index) extentLocked() int64 {
	if len(x.blocks) == 0 {
		return 0
	}
	return x.blocks[len(x.blocks)-1].end
}

// add appends a block if it begins where the index ends.
func (x *index) add(b block) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.extentLocked() == b.start {
		x.blocks = append(x.blocks, b)
		x.held += b.memory()
	}
}

// memory returns the size of the entries in bytes.
func (x *index) memory() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.held
}

// drop drops entries, oldest first, until at most so many bytes are left.
func (x *index) drop(most int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ; x.held > most && x.bare < len(x.blocks); x.bare++ {
		x.held -= x.blocks[x.bare].memory()
		x.blocks[x.bare].entries = nil
	}
}

// at returns the block that contains the offset, and its number.
func (x *index) at(off int64) (b block, number int, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	number = sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].end > off })
	if number == len(x.blocks) {
		return b, 0, false
	}
	return x.blocks[number], number, true
}

// block returns the block with that number.
func (x *index) block(number int) (b block, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if number >= len(x.blocks) {
		return b, false
	}
	return x.blocks[number], true
}
