package logfile

import (
	"bytes"
	"context"
	"io"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// reading reads through the chain of generations for one reader. The generation it is
// in is held open for it, and so are those after it, within limits.
type reading struct {
	past  *past
	query store.Query
	g     *generation // nil: before the first file
	off   int64
	twins twins     // at off, unless cold
	cold  bool      // blocks before off were passed over
	end   store.Pos // of the store, when it was last checked
	atEnd bool      // io.EOF was returned for end
	sweep *sweep    // of the blocks from off on, nil: they are read in sequence
	plain bool      // do not use the index
}

// startOldest begins with the oldest event of the chain.
func (r *reading) startOldest() error {
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	if gs := c.storedLocked(); len(gs) > 0 {
		r.enter(gs[0], 0)
	} else if c.current != nil { // the file is gone, and no older one is kept
		r.enter(c.current, c.off)
		r.twins = c.twins
	}
	return nil
}

// startAt begins at a position returned by this store.
func (r *reading) startAt(pos store.Pos) error {
	if pos == (store.Pos{}) {
		return nil
	}
	if !r.enterAt(pos) {
		return r.past.chain.expired()
	}
	var err error
	r.twins, err = r.g.warm(pos.Offset)
	return err
}

// enterAt moves the reading to a position. It returns false if that is no longer held.
func (r *reading) enterAt(pos store.Pos) bool {
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.generation(pos.Generation)
	if g == nil || g.cut {
		return false
	}
	r.enter(g, pos.Offset)
	return true
}

// enter moves the reading to a place in a generation. It is called with the
// chain's mutex held.
func (r *reading) enter(g *generation, off int64) {
	old := r.g
	g.refs++
	r.g, r.off, r.cold = g, off, false
	if old != nil {
		r.past.chain.releaseLocked(old)
	}
	r.past.chain.trim()
}

// setEnd updates the end of the store.
func (r *reading) setEnd() error {
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.current
	if g == nil || c.gone {
		r.end = c.posLocked()
		return nil
	}
	size, err := g.size()
	if err != nil {
		return unavailable(err)
	}
	r.end = g.pos(max(size, c.off))
	return nil
}

// Next fills the batch with the next records that match the query.
func (r *reading) Next(ctx context.Context, b *store.Batch) error {
	return r.nextSome(ctx, b, 0)
}

// nextSome is Next for at most so many records; 0: as many as a chunk has.
func (r *reading) nextSome(ctx context.Context, b *store.Batch, most int) error {
	r.past.indexer.busy.Add(1)
	defer r.past.indexer.busy.Add(-1)
	b.Records, b.Arena = b.Records[:0], b.Arena[:0]
	if r.atEnd {
		r.atEnd = false
		if err := r.past.look(); err != nil {
			return err
		}
		if err := r.setEnd(); err != nil {
			return err
		}
	}
	for len(b.Records) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := r.step(b, most)
		if err != nil {
			return err
		}
		if !more {
			r.atEnd = true
			return io.EOF
		}
	}
	return nil
}

// step reads one chunk, or moves from one generation to the next. more is false at the
// end.
func (r *reading) step(b *store.Batch, most int) (more bool, err error) {
	limit, retired, err := r.limit()
	if err != nil {
		return false, err
	}
	if r.g == nil {
		return false, nil
	}
	end := limit
	if r.sweep == nil && most == 0 && !r.plain {
		r.sweep = r.newSweep(limit)
	}
	if r.sweep != nil {
		return true, r.stepSweep(b)
	}
	if known, _, ok := r.g.index.at(r.off); ok && known.end <= limit {
		end = known.end // so that the next block is met at its beginning
	}
	var c chunk
	if _, err = r.g.stat(); err == nil {
		c, b.Buffer, err = r.g.readChunk(b.Buffer, r.off, end)
	}
	if err == nil && c.next > r.off {
		err = r.warm()
	}
	if err != nil {
		return false, unavailable(err)
	}
	if c.next > r.off {
		r.scan(&c, b, most)
		return true, nil
	}
	if r.off < limit {
		return false, r.checkUnfinished(end, limit, retired)
	}
	if !retired {
		return false, nil
	}
	return r.cross()
}

// checkUnfinished returns an error if a whole line must end before end and none does.
// At the end of the log a line may be unfinished; anywhere else the file was truncated,
// and what was to be read is gone.
func (r *reading) checkUnfinished(end, limit int64, retired bool) error {
	size, err := r.g.size()
	if err != nil {
		return unavailable(err)
	}
	if size >= limit && end == limit && !retired {
		return nil
	}
	if err := r.past.look(); err != nil { // so that the error names the oldest event of the log as it is now
		return err
	}
	return r.past.chain.expired()
}

// stepSweep takes the next records of the sweep.
func (r *reading) stepSweep(b *store.Batch) error {
	end, more, short, err := r.sweep.next(b)
	if err != nil {
		return unavailable(err)
	}
	r.off, r.cold, r.plain = end, true, short
	if !more || short {
		r.sweep.close()
		r.sweep = nil
	}
	return nil
}

// warm determines how equal events are numbered here, if blocks were passed over.
func (r *reading) warm() (err error) {
	if r.cold {
		r.twins, err = r.g.warm(r.off)
		r.cold = err != nil
	}
	return err
}

// limit returns how far the current generation may be read, and whether it has a
// successor. Before the first file, it checks whether that exists by now.
func (r *reading) limit() (limit int64, retired bool, err error) {
	limit, retired, isHeld := r.limitHeld()
	if !isHeld {
		return 0, false, r.past.chain.expired()
	}
	return limit, retired, nil
}

func (r *reading) limitHeld() (limit int64, retired, isHeld bool) {
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.g == nil {
		first := c.generation(1)
		switch {
		case c.nextSeq == 1:
			return 0, false, true
		case first == nil || first.lost:
			return 0, false, false
		}
		r.enter(first, first.join)
	}
	switch {
	case r.g.cut:
		return 0, false, false
	case r.g.seq == r.end.Generation:
		return r.end.Offset, false, true
	case r.g.retired && r.g.seq < r.end.Generation:
		return r.g.end, true, true
	}
	return r.off, false, true // it was entered after the end
}

// cross moves to the generation that continues the current one.
func (r *reading) cross() (bool, error) {
	if !r.enterNext() {
		return false, r.past.chain.expired()
	}
	var err error
	r.twins, err = r.g.warm(r.off)
	return true, err
}

func (r *reading) enterNext() bool {
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.generation(r.g.seq + 1)
	if next == nil || next.lost {
		return false
	}
	r.enter(next, next.join)
	return true
}

// scan turns the lines of a chunk into records of the batch.
func (r *reading) scan(c *chunk, b *store.Batch, most int) {
	if c.tooLong >= 0 {
		r.past.skips.note(r.g, c.tooLong, line.ErrLong)
	}
	var d decoded
	data, off := c.data, c.off
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		text := data[:n]
		data = data[n+1:]
		start := off
		off += int64(n) + 1
		if n == 0 {
			continue
		}
		found, err := d.decode(text)
		if err != nil {
			r.past.skips.note(r.g, start, err)
		}
		if !found {
			continue
		}
		id := r.twins.next(d.fields.Time, d.hash)
		rec := store.Record{Line: d.line, Fields: d.fields, Pos: r.g.pos(off)}
		r.past.chain.setSource(&rec, r.g)
		if !r.query.Match(&rec) {
			continue
		}
		arena := len(b.Arena)
		b.Arena = appendEventCursor(b.Arena, id, r.g.id)
		rec.Cursor = b.Arena[arena:len(b.Arena):len(b.Arena)]
		b.Records = append(b.Records, rec)
		if len(b.Records) == most {
			r.off = off
			return
		}
	}
	r.off = c.next
}

// Pos returns the current position.
func (r *reading) Pos() store.Pos {
	if r.g == nil {
		return store.Pos{}
	}
	return r.g.pos(r.off)
}

// Cursor returns the cursor for the current position.
func (r *reading) Cursor() (string, error) {
	if err := r.warm(); err != nil {
		return "", unavailable(err)
	}
	return string(r.past.chain.appendPosition(nil, r.g, r.off, &r.twins)), nil
}

// Close frees the reading's resources.
func (r *reading) Close() {
	if r.sweep != nil {
		r.sweep.close()
		r.sweep = nil
	}
	c := r.past.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.readings, r)
	if r.g != nil {
		c.releaseLocked(r.g)
		r.g = nil
	}
	c.trim()
}
