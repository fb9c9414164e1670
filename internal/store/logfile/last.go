package logfile

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Last finds the newest record that answers the query.
func (s *Store) Last(ctx context.Context, query store.Query, b *store.Batch) (*store.Record, error) {
	if err := s.Look(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	var chain []*generation
	if s.oldestLocked() != nil {
		chain = append(chain, s.chain...)
		if s.gone {
			chain = chain[:len(chain)-1]
		}
	}
	ends := make([]int64, len(chain))
	for i, g := range chain {
		g.refs++
		ends[i] = g.end
		if g == s.cur {
			ends[i] = s.off
		}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, g := range chain {
			s.release(g)
		}
	}()
	for i := len(chain) - 1; i >= 0; i-- {
		rec, err := s.lastIn(ctx, chain[i], ends[i], &query, b)
		if rec != nil || err != nil {
			return rec, err
		}
	}
	return nil, events.ErrEventNotFound
}

// lastIn finds the newest record of a generation in front of end.
func (s *Store) lastIn(ctx context.Context, g *generation, end int64, query *store.Query, b *store.Batch) (*store.Record, error) {
	lines := g.back(end)
	var d decoded
	for n := 0; ; n++ {
		behind := lines.end
		text, start, ok, err := lines.next()
		if err != nil {
			return nil, s.unavailable(err)
		}
		if !ok {
			return nil, nil
		}
		const checkEvery = 4096
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(text) == 0 {
			continue
		}
		found, reason := d.decode(text)
		if reason != nil {
			s.noteSkip(g, start, reason)
		}
		if !found {
			continue
		}
		rec := store.Record{Line: d.line, Fields: d.fields, Pos: g.pos(behind), UID: g.uid}
		if !query.Match(&rec) {
			continue
		}
		t, err := g.warm(start)
		if err != nil {
			return nil, s.unavailable(err)
		}
		rec.Cursor = appendEventCursor(nil, t.next(d.fields.Time, d.hash), g.id)
		b.Records = append(b.Records[:0], rec)
		return &b.Records[0], nil
	}
}
