package feed

import (
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/eventsvc/eventsvc/internal/store"
)

// chunk is what the store reported at once: consecutive records. Once others can see
// it, it never changes, except for frames, which are made at first use, and the link to
// the next chunk.
type chunk struct {
	seq     uint64
	start   store.Pos // the end of the previous chunk
	end     store.Pos
	cursor  string // the cursor of end
	records []store.Record
	users   users
	lost    bool // records may have been lost before this chunk
	size    int

	frames  []frames // by the index of the format
	next    atomic.Pointer[chunk]
	more    chan struct{} // closed when there is a next chunk, or the feed is closed
	trimmed atomic.Bool   // it is no longer part of the memory log, and has no next
}

// users are the users of a chunk's records, usually one.
type users struct {
	uid  int64 // of all, if same
	same bool
}

func usersOf(records []store.Record) users {
	for i := range records {
		if records[i].UID != records[0].UID {
			return users{}
		}
	}
	if len(records) == 0 {
		return users{}
	}
	return users{uid: records[0].UID, same: true}
}

// frames are the frames of all records of a chunk in one format.
type frames struct {
	once sync.Once
	buf  []byte
	ends []int // of the frame of each record in buf
}

// frameSize is about the size of a frame without what comes from the line.
const frameSize = 160

// in returns the frames in the format. The first call makes them.
func (c *chunk) in(format *Format) *frames {
	f := &c.frames[format.index]
	f.once.Do(func() {
		f.ends = make([]int, len(c.records))
		f.buf = make([]byte, 0, c.rawSize()+2*len(c.records)*frameSize)
		for i := range c.records {
			f.buf = format.encode(f.buf, &c.records[i])
			f.ends[i] = len(f.buf)
		}
	})
	return f
}

// part returns the frames of the records from one index up to another.
func (f *frames) part(from, to int) []byte {
	start := 0
	if from > 0 {
		start = f.ends[from-1]
	}
	end := f.ends[to-1]
	return f.buf[start:end:end]
}

func (c *chunk) rawSize() int {
	n := 0
	for i := range c.records {
		n += len(c.records[i].Line)
	}
	return n
}

// estimate returns about how much memory the chunk takes once its frames are made.
func (c *chunk) estimate() int {
	const shares = 3 // a line, and a frame of up to twice its length
	return int(unsafe.Sizeof(*c)) + len(c.frames)*int(unsafe.Sizeof(frames{})) + len(c.records)*(int(unsafe.Sizeof(store.Record{}))+frameSize) + shares*c.rawSize()
}

// index returns the index of the first record after the position, -1 if the position is
// not in the chunk.
func (c *chunk) index(pos store.Pos) int {
	switch {
	case pos == c.end:
		return len(c.records)
	case c.lost:
		return -1 // a subscriber that joined here would not see that records were lost
	case pos == c.start:
		return 0
	case c.start.Generation != c.end.Generation || pos.Before(c.start) || c.end.Before(pos):
		// Where the generation changes only the ends are positions of the chunk:
		// between them is what the new file has in common with the old one.
		return -1
	}
	return sort.Search(len(c.records), func(i int) bool { return pos.Before(c.records[i].Pos) })
}
