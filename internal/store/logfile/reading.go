package logfile

import (
	"bytes"
	"context"
	"io"

	"github.com/eventsvc/eventsvc/internal/store"
)

// reading is one reader's way through the chain of generations. The generation
// it is in is held open for it, and so are those behind, within limits.
type reading struct {
	s     *Store
	query store.Query
	g     *generation // nil: before the first file
	off   int64
	twins twins     // at off, unless cold
	cold  bool      // blocks before off were passed over
	end   store.Pos // of the store, as it was when it was last asked for
	atEnd bool      // io.EOF was returned for end
	sweep *sweep    // of the blocks from off on, nil: they are read in turn
	plain bool      // the index is not to be trusted
}

// Read begins a reading of the past.
func (s *Store) Read(ctx context.Context, start store.Start, query store.Query) (store.Reading, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Look(); err != nil {
		return nil, err
	}
	r := &reading{s: s, query: query}
	s.mu.Lock()
	s.readings[r] = struct{}{}
	s.mu.Unlock()
	var err error
	switch {
	case start.HasPos:
		err = r.startAt(start.Pos)
	case start.After != "":
		err = r.startAfter(ctx, start.After)
	default:
		err = r.startOldest()
	}
	if err == nil {
		err = r.setEnd()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// startOldest begins with the first event of the chain.
func (r *reading) startOldest() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if g := r.s.oldestLocked(); g != nil {
		r.enter(g, 0)
	} else if r.s.cur != nil { // the file is gone, and nothing is kept
		r.enter(r.s.cur, r.s.off)
		r.twins = r.s.twins
	}
	return nil
}

// oldestLocked returns the first generation that is in the store, nil if there
// is none.
func (s *Store) oldestLocked() *generation {
	if len(s.chain) == 0 || s.gone && len(s.chain) == 1 {
		return nil
	}
	return s.chain[0]
}

// startAt begins at a position that this store gave out.
func (r *reading) startAt(pos store.Pos) error {
	if pos == (store.Pos{}) {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		return nil
	}
	r.s.mu.Lock()
	g := r.s.generationLocked(pos.Generation)
	if g == nil || g.cut {
		err := r.s.expiredLocked()
		r.s.mu.Unlock()
		return err
	}
	r.enter(g, pos.Offset)
	r.s.mu.Unlock()
	var err error
	r.twins, err = g.warm(pos.Offset)
	return err
}

// generationLocked returns the generation with the number if it is held open.
func (s *Store) generationLocked(seq uint64) *generation {
	for _, g := range s.chain {
		if g.seq == seq {
			return g
		}
	}
	for _, g := range s.held {
		if g.seq == seq {
			return g
		}
	}
	return nil
}

// enter moves the reading to a place in a generation. It is called with the
// store's mutex held.
func (r *reading) enter(g *generation, off int64) {
	old := r.g
	g.refs++
	r.g, r.off, r.cold = g, off, false
	if old != nil {
		r.s.release(old)
	}
	r.s.trimHeldLocked()
}

// setEnd notes the end of the store as it is now.
func (r *reading) setEnd() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	cur := r.s.cur
	if cur == nil || r.s.gone {
		r.end = r.s.posLocked()
		return nil
	}
	size, err := cur.size()
	if err != nil {
		return r.s.unavailable(err)
	}
	r.end = cur.pos(max(size, r.s.off))
	return nil
}

// Next fills the batch with the next records that answer the query.
func (r *reading) Next(ctx context.Context, b *store.Batch) error {
	return r.nextSome(ctx, b, 0)
}

// nextSome is Next for at most so many records, 0 for as many as a chunk has.
func (r *reading) nextSome(ctx context.Context, b *store.Batch, most int) error {
	r.s.busy.Add(1)
	defer r.s.busy.Add(-1)
	b.Records, b.Arena = b.Records[:0], b.Arena[:0]
	if r.atEnd {
		r.atEnd = false
		if err := r.s.Look(); err != nil {
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

// step reads one chunk, or goes from one generation to the next. more is false
// at the end.
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
		return false, r.s.unavailable(err)
	}
	if c.next > r.off {
		r.scan(&c, b, most)
		return true, nil
	}
	if end < limit { // the file is shorter than it was
		return false, nil
	}
	if !retired {
		return false, nil
	}
	return r.cross()
}

// stepSweep takes what the sweep has next.
func (r *reading) stepSweep(b *store.Batch) error {
	end, more, short, err := r.sweep.next(b)
	if err != nil {
		return r.s.unavailable(err)
	}
	r.off, r.cold, r.plain = end, true, short
	if !more || short {
		r.sweep.close()
		r.sweep = nil
	}
	return nil
}

// warm finds out how equal events are numbered here, if blocks were passed over.
func (r *reading) warm() (err error) {
	if r.cold {
		r.twins, err = r.g.warm(r.off)
		r.cold = err != nil
	}
	return err
}

// limit returns how far the present generation may be read, and whether it has
// a successor. In front of the first file it looks whether there is one by now.
func (r *reading) limit() (limit int64, retired bool, err error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.g == nil {
		first := r.s.generationLocked(1)
		switch {
		case r.s.nextSeq == 1:
			return 0, false, nil
		case first == nil || first.lost:
			return 0, false, r.s.expiredLocked()
		}
		r.enter(first, first.join)
	}
	switch {
	case r.g.cut:
		return 0, false, r.s.expiredLocked()
	case r.g.seq == r.end.Generation:
		return r.end.Offset, false, nil
	case r.g.retired && r.g.seq < r.end.Generation:
		return r.g.end, true, nil
	}
	return r.off, false, nil // it was entered behind the end
}

// cross goes on in the generation that continues the present one.
func (r *reading) cross() (bool, error) {
	r.s.mu.Lock()
	next := r.s.generationLocked(r.g.seq + 1)
	if next == nil || next.lost {
		err := r.s.expiredLocked()
		r.s.mu.Unlock()
		return false, err
	}
	r.enter(next, next.join)
	r.s.mu.Unlock()
	var err error
	r.twins, err = next.warm(next.join)
	return true, err
}

// scan turns the lines of a chunk into records of the batch.
func (r *reading) scan(c *chunk, b *store.Batch, most int) {
	if c.tooLong >= 0 {
		r.s.noteSkip(r.g, c.tooLong, errLong)
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
			r.s.noteSkip(r.g, start, err)
		}
		if !found {
			continue
		}
		id := r.twins.next(d.fields.Time, d.hash)
		rec := store.Record{Line: d.line, Fields: d.fields, Pos: r.g.pos(off)}
		r.s.setOrigin(&rec, r.g)
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

// noteSkip counts a line that could not be decoded.
func (s *Store) noteSkip(g *generation, off int64, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skip(g, off, reason)
}

// Pos returns the position reached.
func (r *reading) Pos() store.Pos {
	if r.g == nil {
		return store.Pos{}
	}
	return r.g.pos(r.off)
}

// Cursor names the position reached.
func (r *reading) Cursor() (string, error) {
	if err := r.warm(); err != nil {
		return "", r.s.unavailable(err)
	}
	return string(appendPosition(nil, r.g, r.off, &r.twins, r.s.origin)), nil
}

// Close frees what the reading holds.
func (r *reading) Close() {
	if r.sweep != nil {
		r.sweep.close()
		r.sweep = nil
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	delete(r.s.readings, r)
	if r.g != nil {
		r.s.release(r.g)
		r.g = nil
	}
	r.s.trimHeldLocked()
}
