package logfile

import (
	"bytes"
	"slices"
	"sync"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// chain is the generations of a log: those that lie in the store, oldest first,
// and those that readings are still in. The follower alone changes it; all others
// may read it. A generation is used without the lock by those who have a
// reference to it.
type chain struct {
	origin    uint64    // the name of the time before there was a file
	collected Collected // that of Options

	mu       sync.Mutex
	present  []*generation // in the store, oldest first; the last may be current
	held     []*generation // retired, no longer in the store, held for readings
	current  *generation   // the one that is followed, nil before there was a file
	off      int64         // how far current was followed
	twins    twins         // at off
	gone     bool          // current is no longer at the path
	nextSeq  uint64
	readings map[*reading]struct{}
}

// The bounds of what is held open for readings that are behind: descriptors,
// and bytes of files that may be deleted already.
const (
	maxHeld      = 64
	maxHeldBytes = 64 << 20
)

func newChain(origin uint64, collected Collected) *chain {
	return &chain{origin: origin, collected: collected, readings: make(map[*reading]struct{}), nextSeq: 1}
}

// adopt makes a file the log that is followed, from the offset on.
func (c *chain) adopt(g *generation, off int64, numbers twins) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.seq = c.nextSeq
	c.nextSeq++
	g.refs++ // of the chain
	c.present = append(c.present, g)
	c.current, c.off, c.twins, c.gone = g, off, numbers, false
}

// adoptKept adds a file that was set aside before following began.
func (c *chain) adoptKept(g *generation, end int64) {
	c.adopt(g, 0, twins{})
	c.mu.Lock()
	defer c.mu.Unlock()
	g.retired, g.end, c.current = true, end, nil
}

// advance says how far the present generation was followed.
func (c *chain) advance(off int64, numbers *twins) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off, c.twins = off, *numbers
}

// setGone says whether the present generation is no longer at the path.
func (c *chain) setGone(gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = gone
}

// retire makes the present generation one of the past, which still lies in the
// store if it is kept. cut says that it was truncated.
func (c *chain) retire(kept, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.current
	g.retired, g.end, g.cut = true, c.off, cut
	if !kept {
		c.present = c.present[:len(c.present)-1]
		c.held = append(c.held, g)
	}
	c.trim()
}

// keep forgets the oldest generations of the store but for so many.
func (c *chain) keep(most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.present) > most {
		c.held = append(c.held, c.present[0])
		c.present = c.present[1:]
	}
	c.trim()
}

// pos returns how far the log was followed.
func (c *chain) pos() store.Pos {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.posLocked()
}

func (c *chain) posLocked() store.Pos {
	if c.current == nil {
		return store.Pos{}
	}
	return c.current.pos(c.off)
}

// cursor names how far the log was followed.
func (c *chain) cursor() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.appendPosition(make([]byte, 0, 64), c.current, c.off, &c.twins))
}

// appendPosition appends the cursor for an offset in a generation, nil for the
// place before the first file.
func (c *chain) appendPosition(dst []byte, g *generation, off int64, t *twins) []byte {
	at := cursor{kind: kindOrigin, genID: c.origin}
	if g != nil {
		at.genID, at.hinted, at.hint = g.id, true, hint{genID: g.id, off: off}
		if id, ok := t.last(); ok {
			at.kind, at.id = kindAfter, id
		}
	}
	c.ofProcess(&at)
	return appendCursor(dst, at)
}

// release gives up one reference to a generation.
func (c *chain) release(gs ...*generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(gs...)
}

func (c *chain) releaseLocked(gs ...*generation) {
	for _, g := range gs {
		if g.refs--; g.refs == 0 {
			_ = g.f.Close()
		}
	}
}

// retain takes a reference to a generation to which there is one already.
func (c *chain) retain(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.refs++
}

// stored returns the generations that lie in the store, each with a reference,
// and up to where each was followed.
func (c *chain) stored() (gs []*generation, ends []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.storedLocked() {
		g.refs++
		gs = append(gs, g)
		if g == c.current {
			ends = append(ends, c.off)
		} else {
			ends = append(ends, g.end)
		}
	}
	return gs, ends
}

// searched returns the generations in which the place of a cursor may be, each
// with a reference. One that is gone is not searched, but a reader at its end may
// wait there.
func (c *chain) searched(at *cursor) []*generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	gs := slices.Clone(c.storedLocked())
	if c.gone && at.hinted && at.hint.genID == c.current.id {
		gs = append(gs, c.current)
	}
	for _, g := range gs {
		g.refs++
	}
	return gs
}

// isBeforeFirst reports whether the origin is the time without a file that still
// lasts.
func (c *chain) isBeforeFirst(origin uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return origin == c.origin && c.current == nil
}

// storedLocked returns the generations that lie in the store.
func (c *chain) storedLocked() []*generation {
	if c.gone && len(c.present) > 0 {
		return c.present[:len(c.present)-1]
	}
	return c.present
}

// generation returns the generation with the number if it is held open.
func (c *chain) generation(seq uint64) *generation {
	for _, g := range slices.Concat(c.present, c.held) {
		if g.seq == seq {
			return g
		}
	}
	return nil
}

// trim lets go of the generations that no reading can come to, and of the oldest
// where too much is held.
func (c *chain) trim() {
	first := uint64(1<<64 - 1)
	for r := range c.readings {
		if r.g == nil { // it begins with the first there was
			first = 1
		} else {
			first = min(first, r.g.seq)
		}
	}
	var bytes int64
	for _, g := range c.held {
		bytes += g.end
	}
	for len(c.held) > 0 && (c.held[0].seq < first || len(c.held) > maxHeld || bytes > maxHeldBytes) {
		bytes -= c.held[0].end
		c.releaseLocked(c.held[0])
		c.held = c.held[1:]
	}
}

// ofProcess gives the place before the first event of a file a name that no other
// process has, or takes it back: only one that has watched the file since knows that
// no event has come and been cut off.
func (c *chain) ofProcess(at *cursor) {
	if at.kind == kindOrigin && at.hinted {
		at.genID ^= c.origin
		at.hint.genID ^= c.origin
	}
}

// expired is the error for a place that is gone.
func (c *chain) expired() error { return &events.ExpiredError{Oldest: c.oldest()} }

// oldest names the position before the oldest event.
func (c *chain) oldest() string {
	gs, _ := c.stored()
	defer c.release(gs...)
	if len(gs) == 0 {
		return c.cursor()
	}
	g := gs[0]
	at := cursor{kind: kindOrigin, genID: g.id, hinted: true, hint: hint{genID: g.id}}
	if lines, _, err := g.readChunk(nil, 0, 1<<62); err == nil {
		if id, _, ok := firstEvent(lines.data); ok {
			at.kind, at.id = kindBefore, id
		}
	}
	c.ofProcess(&at)
	return string(appendCursor(nil, at))
}

// firstEvent returns the identity of the first event in the lines, and the
// offset of its line.
func firstEvent(data []byte) (id identity, off int64, ok bool) {
	var d decoded
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		if n < 0 {
			return id, 0, false
		}
		if found, _ := d.decode(data[:n]); found {
			return identity{time: d.fields.Time, hash: d.hash}, off, true
		}
		data = data[n+1:]
		off += int64(n) + 1
	}
	return id, 0, false
}

// close gives up all generations.
func (c *chain) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(c.present...)
	c.releaseLocked(c.held...)
	c.present, c.held = nil, nil
}
