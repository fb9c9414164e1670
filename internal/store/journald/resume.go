//go:build systemd && cgo

package journald

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// begin finds the place where the reading begins.
func (r *reading) begin(ctx context.Context, start store.Start) error {
	switch {
	case start.HasPos:
		m, ok := r.s.markAt(start.Pos)
		if !ok {
			return r.s.expired()
		}
		if m.known {
			r.from, r.hasFrom = m.place, true
		}
	case start.After != "":
		c, err := parseCursor(start.After)
		if store.IsCursorOfOtherKind(start.After, events.Journald) {
			return r.s.expired()
		}
		if err != nil {
			return err
		}
		return r.resolve(ctx, &c)
	}
	return nil
}

// markAt returns the mark of a position, if it is still known and nothing after it can
// be missing.
func (s *Store) markAt(pos store.Pos) (m mark, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.ring[((pos.Offset%ringSize)+ringSize)%ringSize]
	if pos == s.mark.storePos() {
		m = s.mark
	}
	at := m.origin
	if m.known {
		at = m.place.Realtime
	}
	return m, pos == m.storePos() && s.oldest.Reaches(at)
}

// holdsSince reports whether nothing from after a time, in µs since the epoch, has been
// vacuumed, as far as the files show.
func (s *Store) holdsSince(realtime uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return realtime == 0 || s.oldest.Reaches(realtime)
}

// expired returns the error for a position that is gone.
func (s *Store) expired() error {
	r, err := s.newReading(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		return err
	}
	defer r.Close()
	oldest, err := r.Cursor()
	if err != nil {
		return err
	}
	return &events.ExpiredError{Oldest: oldest}
}

// resolve finds the place of a cursor.
func (r *reading) resolve(ctx context.Context, c *cursor) error {
	s := r.s
	s.mu.Lock()
	reaches := s.oldest.Reaches(c.key.Realtime)
	m := s.mark
	s.mu.Unlock()
	if !reaches && c.kind == kindAfter && m.known && m.place.Key == c.key && m.place.Twin == c.twin {
		// It was the last entry, and is gone, but nothing has followed it.
		r.from, r.hasFrom = m.place, true
		return nil
	}
	if !reaches {
		return s.expired()
	}
	if c.kind == kindOrigin {
		return nil
	}
	var p *sdjournal.Place
	err := retry(func() (err error) {
		p, err = s.find(ctx, c)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return unavailable(err)
	case p == nil:
		return s.expired()
	}
	r.from, r.hasFrom, r.inclusive = *p, true, c.kind == kindBefore
	return nil
}

// find finds the entry that a cursor names, nil if it is gone. It first seeks to where
// it should be. If it is not there, the whole journal is searched: in a journal merged
// from several, the clocks need not be in order.
func (s *Store) find(ctx context.Context, c *cursor) (*sdjournal.Place, error) {
	h, err := s.openPodman()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	const near = 64
	h.Seek(&sdjournal.Place{Key: c.key})
	p, err := findKey(ctx, h, c, near)
	if p != nil || err != nil {
		return p, err
	}
	if err := h.SeekHead(); err != nil {
		return nil, err
	}
	return findKey(ctx, h, c, 0)
}

// findKey searches for the entry that a cursor names among the next entries, at most so
// many, 0: all. nil: it is not there.
func findKey(ctx context.Context, h *sdjournal.Reader, c *cursor, most int) (*sdjournal.Place, error) {
	var entries []sdjournal.Entry
	var twin uint32
	for n := 0; most == 0 || n < most; n += len(entries) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		count := sdjournal.MaxEntries
		if most > 0 {
			count = most - n
		}
		var end bool
		var err error
		if entries, end, err = h.Next(entries, count, nil); err != nil {
			return nil, err
		}
		for i := range entries {
			p := &entries[i].Place
			if p.Key != c.key {
				continue
			}
			if twin == c.twin {
				found := *p
				found.Twin = twin
				return &found, nil
			}
			twin++
		}
		if end {
			break
		}
	}
	return nil, nil
}

// first returns the place of the oldest entry, if there is one.
func (s *Store) first() (p sdjournal.Place, ok bool, err error) {
	h, err := s.openPodman()
	if err != nil {
		return p, false, err
	}
	defer h.Close()
	if err := h.SeekHead(); err != nil {
		return p, false, err
	}
	entries, _, err := h.Next(nil, 1, nil)
	if err != nil || len(entries) == 0 {
		return p, false, err
	}
	return entries[0].Place, true, nil
}
