package logfile

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/internal/line"
)

const (
	// directoryBytes bounds the entries of all indexes of a store: enough for four
	// million events. Beyond it, the entries of the oldest events are dropped, and
	// those events are found by reading the file.
	directoryBytes = 32 << 20
	// indexPause is how long the indexer waits at first, so that a client whose request
	// starts the service has the machine to itself.
	indexPause = 100 * time.Millisecond
	// leastBlock is how many new bytes at the end of the log make another block.
	leastBlock = chunkSize / 2
)

// indexer maintains the indexes of a store, in the background and on one processor.
// Nothing waits for it.
type indexer struct {
	chain *chain
	skips *skips
	grown chan struct{} // holds one when there is something to index
	busy  atomic.Int32  // readings in progress

	mu   sync.Mutex // held while it works
	buf  []byte
	made blockMaker
}

func newIndexer(c *chain, n *skips) *indexer {
	return &indexer{chain: c, skips: n, grown: make(chan struct{}, 1)}
}

// run indexes the log and what is appended to it, until it is stopped.
func (x *indexer) run(stopped <-chan struct{}) {
	for {
		select {
		case <-stopped:
			return
		case <-x.grown:
		}
		select {
		case <-stopped:
			return
		case <-time.After(indexPause):
		}
		x.index(stopped)
	}
}

// noteGrowth wakes the indexer if a generation, now read up to the offset, has enough
// for it.
func (x *indexer) noteGrowth(g *generation, off int64) {
	if g == nil || off-g.index.extent() < leastBlock {
		return
	}
	select {
	case x.grown <- struct{}{}:
	default:
	}
}

// index brings the indexes up to date, the newest generation first.
func (x *indexer) index(stopped <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	gs, ends := x.chain.stored()
	defer x.chain.release(gs...)
	for i := len(gs) - 1; i >= 0; i-- {
		x.indexOne(gs[i], ends[i], gs, stopped)
	}
	x.buf, x.made = nil, blockMaker{}
}

// indexOne indexes a generation up to the offset.
func (x *indexer) indexOne(g *generation, end int64, all []*generation, stopped <-chan struct{}) {
	off := g.index.extent()
	var d decoded
	for end-off >= leastBlock && !isClosed(stopped) {
		c, buf, err := g.readChunk(x.buf, off, end)
		if x.buf = buf; cap(buf) > chunkSize { // it grew for a long line: blocks stay small
			x.buf = nil
		}
		if err != nil || c.next == off {
			return // readers get the error
		}
		x.made.begin()
		if c.tooLong >= 0 {
			x.skips.note(g, c.tooLong, line.ErrLong)
		}
		for at := 0; at < len(c.data); {
			n := bytes.IndexByte(c.data[at:], '\n')
			text := c.data[at : at+n]
			start := at
			at += n + 1
			if n == 0 {
				continue
			}
			found, err := d.decode(text)
			if err != nil {
				x.skips.note(g, off+int64(start), err)
			}
			if found {
				x.made.add(start, &d, g.index.twins.next(d.fields.Time, d.hash).twin > 0)
			}
		}
		g.index.add(x.made.end(&c))
		x.trim(all)
		off = c.next
		x.giveWay()
	}
}

// trim drops entries beyond directoryBytes, the oldest first.
func (x *indexer) trim(all []*generation) {
	left := int64(directoryBytes)
	for i := len(all) - 1; i >= 0; i-- {
		index := &all[i].index
		if index.memory() > left {
			index.drop(left)
		}
		left -= index.memory()
	}
}

// giveWay lets readers go first: while one is reading, the indexer rests most of the
// time.
func (x *indexer) giveWay() {
	const rest = time.Millisecond
	if x.busy.Load() > 0 {
		time.Sleep(rest)
	}
}

func isClosed(stopped <-chan struct{}) bool {
	select {
	case <-stopped:
		return true
	default:
		return false
	}
}
