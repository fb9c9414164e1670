package logfile

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// startAfter begins at the place that a cursor names. If the place is gone or
// uncertain, the error is an *events.ExpiredError.
func (r *reading) startAfter(ctx context.Context, text string) error {
	c, err := parseCursor(text)
	chain := r.past.chain
	if err != nil {
		if store.IsCursorOfOtherKind(text, events.LogFile) {
			return chain.expired()
		}
		return err
	}
	if c.kind == kindOrigin && chain.isBeforeFirst(c.genID) {
		return nil
	}
	chain.ofProcess(&c)
	gs := chain.searched(&c)
	defer chain.release(gs...)
	f := finder{ctx: ctx, cursor: c, chain: gs}
	found, err := f.find()
	if err != nil {
		return err
	}
	if found == nil || !r.enterAt(found.g.pos(found.off)) {
		return chain.expired()
	}
	r.twins = found.twins
	return nil
}

// place is where a cursor points.
type place struct {
	g     *generation
	off   int64
	twins twins // at off
}

// finder finds the place of a cursor in a chain of generations.
type finder struct {
	ctx    context.Context
	cursor cursor
	chain  []*generation
}

// find returns the place, nil if it is gone or uncertain.
func (f *finder) find() (*place, error) {
	if f.cursor.hinted {
		p, err := f.byHint()
		if p != nil || err != nil {
			return p, err
		}
	}
	if f.cursor.kind == kindOrigin {
		return f.origin()
	}
	return f.byContent()
}

// byHint checks the position recorded when the cursor was made, and accepts it if the
// event before it, or after it, is the one that the cursor names.
func (f *finder) byHint() (*place, error) {
	h := f.cursor.hint
	for _, g := range f.chain {
		if g.id != h.genID {
			continue
		}
		size, err := g.size()
		if err != nil {
			return nil, err
		}
		if h.off > size {
			return nil, nil
		}
		if h.off > 0 {
			var newline [1]byte
			b, err := g.readAt(newline[:], h.off-1)
			if err != nil || len(b) == 0 || b[0] != '\n' {
				return nil, err
			}
		}
		t, err := g.warm(h.off)
		if err != nil {
			return nil, err
		}
		if ok, err := f.proves(g, h.off, &t); !ok || err != nil {
			return nil, err
		}
		return &place{g: g, off: h.off, twins: t}, nil
	}
	return nil, nil
}

// proves reports whether the events at the offset are those that the cursor names.
func (f *finder) proves(g *generation, off int64, t *twins) (bool, error) {
	last, known := t.last()
	switch f.cursor.kind {
	case kindAfter:
		return known && last == f.cursor.id, nil
	case kindBefore:
		if known {
			return false, nil
		}
		c, _, err := g.readChunk(nil, off, 1<<62)
		if err != nil {
			return false, err
		}
		id, _, ok := firstEvent(c.data)
		return ok && id.sameContent(f.cursor.id), nil
	}
	return !known, nil
}

// origin returns the place before the first event, for a cursor made when the log had
// none: the start of the same file, or of the file that was seen to be the first to
// appear since.
func (f *finder) origin() (*place, error) {
	for _, g := range f.chain {
		if g.id == f.cursor.genID || g.origin != 0 && g.origin == f.cursor.genID {
			return &place{g: g}, nil
		}
	}
	return nil, nil
}

// byContent searches for the event that the cursor names. If it is found in several
// places, its number among equal events decides, as far as that is certain.
func (f *finder) byContent() (*place, error) {
	var candidates []candidate
	pattern := fractionPattern(f.cursor.id.time)
	for _, g := range f.chain {
		var d decoded
		var inner error
		err := g.search(pattern, f.cursor.id.time, func(text []byte, start, end int64) bool {
			if inner = f.ctx.Err(); inner != nil {
				return false
			}
			if found, _ := d.decode(text); found && d.fields.Time == f.cursor.id.time && d.hash == f.cursor.id.hash {
				candidates = append(candidates, candidate{g: g, start: start, end: end})
			}
			return true
		})
		if err == nil {
			err = inner
		}
		if err != nil {
			return nil, err
		}
	}
	return f.choose(candidates)
}

// candidate is a line that may be the one that a cursor names.
type candidate struct {
	g          *generation
	start, end int64
}

// choose decides between the lines that are equal to the one that the cursor names.
func (f *finder) choose(candidates []candidate) (*place, error) {
	var chosen *place
	several := false
	for rest := candidates; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].g == rest[0].g {
			n++
		}
		same := rest[:n]
		rest = rest[n:]
		if f.cursor.id.twin > 0 && same[0].g.id != f.cursor.genID {
			continue
		}
		err := f.number(same, func(c candidate, before, after *twins) {
			if id, _ := after.last(); id.twin != f.cursor.id.twin {
				return
			}
			several = several || chosen != nil
			chosen = &place{g: c.g, off: c.end, twins: *after}
			if f.cursor.kind == kindBefore {
				chosen = &place{g: c.g, off: c.start, twins: *before}
			}
		})
		if err != nil || several {
			return nil, err
		}
	}
	if chosen != nil && len(candidates) > 1 && f.cursor.id.twin == 0 && !chosen.g.whole {
		// The first of equal events may be a later one of a truncated log: the one that
		// the cursor names would have been just before the start.
		_, all, err := chosen.g.idsBefore(chosen.off, twinWindow+1)
		if all || err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// number reads a generation once and calls found for each candidate in it, with the
// numbering of equal events before and after it.
func (f *finder) number(candidates []candidate, found func(c candidate, before, after *twins)) error {
	g, off := candidates[0].g, candidates[0].start
	t, err := g.warm(off)
	if err != nil {
		return err
	}
	var d decoded
	var buf []byte
	for len(candidates) > 0 {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		var c chunk
		if c, buf, err = g.readChunk(buf, off, 1<<62); err != nil || c.next == off {
			return err
		}
		for data := c.data; len(data) > 0 && len(candidates) > 0; {
			n := bytes.IndexByte(data, '\n')
			text := data[:n]
			data = data[n+1:]
			start := off
			off += int64(n) + 1
			if ok, _ := d.decode(text); !ok {
				continue
			}
			before := t
			t.next(d.fields.Time, d.hash)
			if start == candidates[0].start {
				found(candidates[0], &before, &t)
				candidates = candidates[1:]
			}
		}
		off = c.next
	}
	return nil
}

// fractionPattern returns how the fraction of an event's second is written, which is
// the same in every time zone: its digits without trailing zeros, "" if any may be
// there. Podman's reader accepts a comma as well as a point before them.
func fractionPattern(ns int64) []byte {
	if ns == math.MinInt64 || ns == math.MaxInt64 {
		return nil // from a time that nanoseconds cannot express
	}
	fraction := ns % 1e9
	if fraction < 0 {
		fraction += 1e9
	}
	if fraction == 0 {
		return nil
	}
	return bytes.TrimRight(fmt.Appendf(nil, "%09d", fraction), "0")
}

// anyTime makes search consider events of every time.
const anyTime int64 = math.MinInt64

// search calls found with each line that contains the pattern (every line for an empty
// pattern), and the offsets of its start and of the next line, until found returns
// false. It skips blocks known to hold no event of that time.
func (g *generation) search(pattern []byte, time int64, found func(text []byte, start, end int64) bool) error {
	var buf []byte
	var c chunk
	var err error
	for off := int64(0); ; off = c.next {
		if known, _, ok := g.index.at(off); ok && known.start == off && time != anyTime && !known.mayHold(time) {
			c.next = known.end
			continue
		}
		c, buf, err = g.readChunk(buf, off, 1<<62)
		if err != nil || c.next == off {
			return err
		}
		data, at := c.data, 0
		for at < len(data) {
			i := bytes.Index(data[at:], pattern)
			if i < 0 {
				break
			}
			start := bytes.LastIndexByte(data[:at+i], '\n') + 1
			end := at + i + bytes.IndexByte(data[at+i:], '\n')
			if end-start <= line.MaxLine && !found(data[start:end], c.off+int64(start), c.off+int64(end)+1) {
				return nil
			}
			at = end + 1
		}
	}
}
