package logfile

import (
	"bytes"
	"sync"
	"time"
)

const (
	// directoryBytes bounds the entries of all indexes of a store: enough for
	// four million events. Beyond it the oldest events of the log lose theirs,
	// and are found by reading them.
	directoryBytes = 32 << 20
	// indexPause is how long the indexer lets be, so that whoever starts the
	// service by asking it something has the machine for himself.
	indexPause = 100 * time.Millisecond
	// leastBlock is how much there has to be at the end of the log for another
	// block, in bytes.
	leastBlock = chunkSize / 2
)

// indexer keeps the indexes of a store, in the background and on one processor
// only. Nobody waits for it.
type indexer struct {
	s    *Store
	mu   sync.Mutex // held while it works
	buf  []byte
	made blockMaker
}

// keepIndex indexes what the log holds, and what it grows by, until the store
// is closed.
func (s *Store) keepIndex() {
	defer s.done.Done()
	for {
		select {
		case <-s.stopped:
			return
		case <-s.grown:
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(indexPause):
		}
		s.indexer.index()
	}
}

// noteGrowth wakes the indexer if there is something for it.
func (s *Store) noteGrowth() {
	if s.cur == nil || s.off-s.cur.index.extent() < leastBlock {
		return
	}
	select {
	case s.grown <- struct{}{}:
	default:
	}
}

// index brings the indexes up to date, the newest generation first.
func (x *indexer) index() {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.s
	s.mu.Lock()
	chain := append([]*generation(nil), s.chain...)
	ends := make([]int64, len(chain))
	for i, g := range chain {
		g.refs++
		if ends[i] = g.end; g == s.cur {
			ends[i] = s.off
		}
	}
	s.mu.Unlock()
	for i := len(chain) - 1; i >= 0; i-- {
		x.indexOne(chain[i], ends[i], chain)
	}
	x.buf, x.made = nil, blockMaker{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range chain {
		s.release(g)
	}
}

// indexOne indexes a generation up to the offset.
func (x *indexer) indexOne(g *generation, end int64, chain []*generation) {
	off := g.index.extent()
	var d decoded
	for end-off >= leastBlock && !x.s.isClosed() {
		c, buf, err := g.readChunk(x.buf, off, end)
		if x.buf = buf; cap(buf) > chunkSize { // it grew for a long line: blocks stay small
			x.buf = nil
		}
		if err != nil || c.next == off {
			return // of an error those are told who read
		}
		x.made.begin()
		if c.tooLong >= 0 {
			x.s.noteSkip(g, c.tooLong, errLong)
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
				x.s.noteSkip(g, off+int64(start), err)
			}
			if found {
				x.made.add(start, &d, g.index.twins.next(d.fields.Time, d.hash).twin > 0)
			}
		}
		g.index.add(x.made.end(&c))
		x.trim(chain)
		off = c.next
		x.s.giveWay()
	}
}

// trim drops entries beyond directoryBytes, the oldest first.
func (x *indexer) trim(chain []*generation) {
	left := int64(directoryBytes)
	for i := len(chain) - 1; i >= 0; i-- {
		index := &chain[i].index
		if index.memory() > left {
			index.drop(left)
		}
		left -= index.memory()
	}
}

// giveWay lets those who read go first: while one does, the indexer rests most
// of the time.
func (s *Store) giveWay() {
	const rest = time.Millisecond
	if s.busy.Load() > 0 {
		time.Sleep(rest)
	}
}

func (s *Store) isClosed() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}
