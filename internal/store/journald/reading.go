//go:build systemd && cgo

package journald

import (
	"context"
	"io"
	"slices"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// reading reads the journal for one reader. Files that are removed meanwhile stay open
// for it.
type reading struct {
	s     *Store
	query store.Query
	most  int    // entries at a time
	seen  uint64 // when everything before base had been read, in µs since the epoch
	base  mark
	older int // as in oldest
	h     *sdjournal.Reader

	from      sdjournal.Place // where this pass begins
	hasFrom   bool            // otherwise it begins with the oldest entry
	inclusive bool            // the entry at from is part of it
	before    sdjournal.Place // the last entry that was read
	hasBefore bool
	lookedUp  bool // the reader matches values that the journal had when it was opened
	none      bool // nothing can match the query
	done      bool // the mark has been reached
	atEnd     bool // io.EOF was returned for it
	origin    string

	entries []sdjournal.Entry
	decoder decoder
}

// Read begins a reading of the past.
func (s *Store) Read(ctx context.Context, start store.Start, query store.Query) (store.Reading, error) {
	r, err := s.newReading(ctx, start, query)
	if err != nil {
		return nil, err // a nil *reading in the interface would not be nil
	}
	return r, nil
}

func (s *Store) newReading(ctx context.Context, start store.Start, query store.Query) (*reading, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &reading{s: s, query: query, most: sdjournal.MaxEntries}
	if err := r.look(); err != nil {
		return nil, err
	}
	err := r.begin(ctx, start)
	if err == nil {
		err = retry(func() error { return r.open(ctx) })
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// look sets the base of a pass: what is after it belongs to the next.
func (r *reading) look() error {
	s := r.s
	if err := s.Look(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.base, r.seen, r.older = s.mark, s.oldest.Seen, s.oldest.Older
	return nil
}

// open opens the journal at the place where this pass begins.
func (r *reading) open(ctx context.Context) error {
	r.done = false
	if r.none || !r.base.known || r.hasFrom && !r.inclusive && !r.s.beyond(&r.base.place, &mark{place: r.from, known: true}) {
		r.finish()
		return nil
	}
	if err := r.skipBySince(ctx); err != nil || r.done {
		return asked(err)
	}
	if r.h == nil {
		if err := r.openMatching(ctx); err != nil || r.done {
			return asked(err)
		}
	}
	if r.hasFrom {
		r.h.Seek(&r.from)
	} else if err := r.h.SeekHead(); err != nil {
		return asked(err)
	}
	r.before, r.hasBefore = r.from, r.hasFrom && !r.inclusive
	return nil
}

// asked wraps an error of the journal for the caller. Errors that a retry may fix, and
// those that are complete, are returned unchanged.
func asked(err error) error {
	var expired *events.ExpiredError
	var wrapped *events.UnavailableError
	if err == nil || errors.Is(err, sdjournal.ErrStale) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &expired) || errors.As(err, &wrapped) {
		return err
	}
	return unavailable(err)
}

// openMatching opens the journal for the entries that can match the query.
func (r *reading) openMatching(ctx context.Context) error {
	h, err := r.s.openJournal()
	if err != nil {
		return err
	}
	pushed, none, lookedUp, err := push(&r.query, r.listed(ctx, h), func() (bool, error) { return r.everyUserKnown(ctx) }, !r.s.ofHost())
	r.lookedUp = lookedUp
	if err == nil && !none {
		err = h.Match(choose(pushed))
	}
	if err != nil || none {
		h.Close()
		if err != nil {
			return err
		}
		r.none = !lookedUp
		r.finish()
		return nil
	}
	r.h = h
	return nil
}

// finish records that the mark has been reached.
func (r *reading) finish() {
	r.done, r.atEnd = true, false
	if r.base.known && (!r.hasFrom || r.inclusive || r.s.beyond(&r.base.place, &mark{place: r.from, known: true})) {
		r.from, r.hasFrom, r.inclusive = r.base.place, true, false
	}
	r.before, r.hasBefore = r.from, r.hasFrom
}

// Next fills the batch with the next records that match the query.
func (r *reading) Next(ctx context.Context, b *store.Batch) error {
	b.Records, b.Arena, b.Buffer = b.Records[:0], b.Arena[:0], b.Buffer[:0]
	for len(b.Records) == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.done {
			if !r.atEnd {
				r.atEnd = true
				return io.EOF
			}
			if more, err := r.again(ctx); err != nil || !more {
				if err == nil {
					err = io.EOF
				}
				return err
			}
			continue
		}
		err := sdjournal.ErrStale // if an earlier call has failed, try again
		if r.h != nil {
			err = r.step(b)
		}
		if errors.Is(err, sdjournal.ErrStale) {
			b.Records, b.Arena, b.Buffer = b.Records[:0], b.Arena[:0], b.Buffer[:0]
			err = r.recover(ctx)
		}
		if err != nil {
			return asked(err)
		}
	}
	return nil
}

// again begins the next pass, if there is something new.
func (r *reading) again(ctx context.Context) (more bool, err error) {
	pos, seen := r.base.pos, r.seen
	if err := r.look(); err != nil {
		return false, err
	}
	if r.base.pos == pos {
		return false, nil
	}
	if !r.s.holdsSince(seen) {
		return false, r.s.expired()
	}
	if r.h != nil && (r.lookedUp || r.h.Check() != nil || r.h.Moved()) {
		r.closeReader()
	}
	return true, retry(func() error { return r.open(ctx) })
}

// recover continues after files of the journal were removed. What followed the last
// entry that was read must still be there.
func (r *reading) recover(ctx context.Context) error {
	r.closeReader()
	if err := r.look(); err != nil {
		return err
	}
	if r.hasBefore {
		r.s.mu.Lock()
		reaches := r.s.oldest.Reaches(r.before.Realtime)
		r.s.mu.Unlock()
		if !reaches {
			return r.s.expired()
		}
		r.from, r.hasFrom, r.inclusive = r.before, true, false
	}
	return retry(func() error { return r.open(ctx) })
}

// step reads some entries.
func (r *reading) step(b *store.Batch) error {
	var end bool
	var err error
	if r.entries, end, err = r.h.Next(r.entries, r.most, eventFields); err != nil {
		return err
	}
	// A process that asks for one event need not read so many entries at a time.
	r.most = min(sdjournal.MaxEntries, 4*r.most)
	b.Records = slices.Grow(b.Records, len(r.entries))
	for i := range r.entries {
		e := &r.entries[i]
		if !r.takes(&e.Place) {
			continue
		}
		if r.s.beyond(&e.Place, &r.base) {
			r.finish()
			return nil
		}
		r.before, r.hasBefore = e.Place, true
		if err := r.s.decodeTo(b, e, &r.decoder, &r.query); err != nil {
			r.s.noteSkip(&e.Place, err)
		}
	}
	if end {
		r.finish()
	}
	return nil
}

// takes reports whether an entry is after the previous one, and numbers it if it has
// the same key.
func (r *reading) takes(p *sdjournal.Place) bool {
	if r.hasFrom {
		if c := p.Compare(&r.from); c < 0 || c == 0 && !r.inclusive {
			return false
		}
	}
	if !r.hasBefore {
		if r.hasFrom && p.Key == r.from.Key {
			p.Twin = r.from.Twin
		}
		return true
	}
	if r.s.ofHost() { // copies that a flush to /var has just made
		return p.Boot != r.before.Boot || p.Monotonic >= r.before.Monotonic && p.Key != r.before.Key
	}
	if p.Key == r.before.Key {
		if p.Compare(&r.before) == 0 {
			return false
		}
		p.Twin = r.before.Twin + 1
	}
	return true
}

// decodeTo appends the record of an entry to the batch, if it is an event that matches
// the query. The error says why it is not an event, or what it lacks.
func (s *Store) decodeTo(b *store.Batch, e *sdjournal.Entry, d *decoder, q *store.Query) error {
	if e.Fault != nil {
		return e.Fault
	}
	d.read(e.Fields)
	if !d.isEvent {
		return nil
	}
	b.Records = append(b.Records, store.Record{})
	rec := &b.Records[len(b.Records)-1]
	used := len(b.Buffer)
	var lacking, err error
	b.Buffer, lacking, err = d.record(b.Buffer, !s.ofHost(), rec)
	if err != nil || !q.Match(rec) {
		b.Records, b.Buffer = b.Records[:len(b.Records)-1], b.Buffer[:used]
		return err
	}
	start := len(b.Arena)
	b.Arena = appendCursor(b.Arena, kindAfter, &e.Place.Key, e.Place.Twin)
	rec.Cursor = b.Arena[start:len(b.Arena):len(b.Arena)]
	return lacking
}

// Pos returns the current position: the mark's, once everything before it has been
// read. Before that there is none.
func (r *reading) Pos() store.Pos {
	if !r.done {
		return store.Pos{}
	}
	return r.base.storePos()
}

// Cursor returns the cursor of the current position.
func (r *reading) Cursor() (string, error) {
	switch {
	case r.done:
		return r.base.cursor(), nil
	case r.hasBefore:
		return string(appendCursor(nil, kindAfter, &r.before.Key, r.before.Twin)), nil
	case r.hasFrom:
		return string(appendCursor(nil, kindBefore, &r.from.Key, r.from.Twin)), nil
	case r.origin == "":
		err := retry(func() error {
			first, ok, err := r.s.first()
			// Without an entry, everything that follows is after it.
			r.origin = string(appendCursor(nil, kindOrigin, &sdjournal.Key{Realtime: max(r.seen, r.base.origin)}, 0))
			if ok {
				r.origin = string(appendCursor(nil, kindBefore, &first.Key, 0))
			}
			return err
		})
		if err != nil {
			return "", unavailable(err)
		}
	}
	return r.origin, nil
}

func (r *reading) closeReader() {
	if r.h != nil {
		r.h.Close()
		r.h = nil
	}
}

// Close frees the reading's resources.
func (r *reading) Close() { r.closeReader() }
