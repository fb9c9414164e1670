package logfile

import (
	"bytes"
	"slices"
	"sync"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// chain is the generations of a log: those in the store, oldest first, and those that
// readings still use. Only the follower changes it; everything else may read it. A
// generation may be used without the lock by code that holds a reference to it.
type chain struct {
	origin    uint64    // names the time before there was a file
	collected Collected // Options.Collected

	mu       sync.Mutex
	present  []*generation // in the store, oldest first; the last may be current
	held     []*generation // retired and no longer in the store, held open for readings
	current  *generation   // the one that is followed, nil before there was a file
	off      int64         // how far current has been followed
	twins    twins         // at off
	gone     bool          // current is no longer at the path
	nextSeq  uint64
	readings map[*reading]struct{}
}

// Bounds of what is held open for readings that are behind: descriptors, and bytes of
// files that may be deleted already.
const (
	maxHeld      = 64
	maxHeldBytes = 64 << 20
)

func newChain(origin uint64, collected Collected) *chain {
	return &chain{origin: origin, collected: collected, readings: make(map[*reading]struct{}), nextSeq: 1}
}

// adopt makes a file the followed log, from the offset on.
func (c *chain) adopt(g *generation, off int64, numbers twins) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.seq = c.nextSeq
	c.nextSeq++
	g.refs++ // the chain's own
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

// advance records how far the current generation has been followed.
func (c *chain) advance(off int64, numbers *twins) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off, c.twins = off, *numbers
}

// setGone records whether the current generation is no longer at the path.
func (c *chain) setGone(gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = gone
}

// retire makes the current generation a past one. kept: it is still in the store. cut:
// it was truncated.
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

// keep forgets all but the newest generations of the store.
func (c *chain) keep(most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.present) > most {
		c.held = append(c.held, c.present[0])
		c.present = c.present[1:]
	}
	c.trim()
}

// pos returns how far the log has been followed.
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

// cursor returns the cursor for how far the log has been followed.
func (c *chain) cursor() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.appendPosition(make([]byte, 0, 64), c.current, c.off, &c.twins))
}

// appendPosition appends the cursor for an offset in a generation; nil is the place
// before the first file.
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

// release drops one reference to each generation.
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

// retain adds a reference to a generation that has one already.
func (c *chain) retain(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.refs++
}

// stored returns the generations in the store, each with a reference, and how far each
// has been followed.
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

// searched returns the generations that may contain the place of a cursor, each with a
// reference. A generation that is gone is not searched, but a reader may wait at its
// end.
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

// isBeforeFirst reports whether there is still no file, and origin names that time.
func (c *chain) isBeforeFirst(origin uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return origin == c.origin && c.current == nil
}

// storedLocked returns the generations in the store.
func (c *chain) storedLocked() []*generation {
	if c.gone && len(c.present) > 0 {
		return c.present[:len(c.present)-1]
	}
	return c.present
}

// generation returns the generation with the number, nil if it is not held open.
func (c *chain) generation(seq uint64) *generation {
	for _, g := range slices.Concat(c.present, c.held) {
		if g.seq == seq {
			return g
		}
	}
	return nil
}

// trim closes the generations that no reading can reach, and the oldest ones where too
// much is held.
func (c *chain) trim() {
	first := uint64(1<<64 - 1)
	for r := range c.readings {
		if r.g == nil { // it begins with the first file
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

// ofProcess mixes a number that only this process has into the name of the place before
// a file's first event, or takes it out again: only a process that has watched the file
// since knows that no event has been written there and cut off.
func (c *chain) ofProcess(at *cursor) {
	if at.kind == kindOrigin && at.hinted {
		at.genID ^= c.origin
		at.hint.genID ^= c.origin
	}
}

// expired is the error for a cursor whose place is gone.
func (c *chain) expired() error { return &events.ExpiredError{Oldest: c.oldest()} }

// oldest returns the cursor for the position before the oldest event.
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

// firstEvent returns the identity of the first event in the lines, and the offset of
// its line.
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

// close drops all generations.
func (c *chain) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(c.present...)
	c.releaseLocked(c.held...)
	c.present, c.held = nil, nil
}
