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

// lastIn finds the newest record of a generation before end.
func (s *Store) lastIn(ctx context.Context, g *generation, end int64, query *store.Query, b *store.Batch) (*store.Record, error) {
	if _, err := g.stat(); err != nil {
		return nil, s.unavailable(err)
	}
	w := sweep{s: s, g: g, choice: newChoice(query)}
	var t task
	for end > 0 {
		known, _, ok := g.index.at(end - 1)
		start := known.start
		if !ok {
			start = min(g.index.extent(), end)
		}
		if !ok || known.end != end || !known.outOfTurn(end) {
			rec, err := s.lastBetween(ctx, g, start, end, query, b)
			if rec != nil || err != nil {
				return rec, err
			}
			end = start
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.assign(&t, &known)
		w.run(&t)
		switch n := len(t.batch.Records); {
		case t.err != nil:
			return nil, s.unavailable(t.err)
		case t.short: // the file is not what the index says
			return s.lastBetween(ctx, g, 0, end, query, b)
		case n > 0:
			*b = t.batch
			b.Records = append(b.Records[:0], b.Records[n-1])
			return &b.Records[0], nil
		}
		t.parts, t.wanted = t.parts[:0], t.wanted[:0]
		end = start
	}
	return nil, nil
}

// lastBetween finds the newest record of a generation between two offsets, line
// by line.
func (s *Store) lastBetween(ctx context.Context, g *generation, least, end int64, query *store.Query, b *store.Batch) (*store.Record, error) {
	lines := g.back(end)
	var d decoded
	for n := 0; lines.end > least; n++ {
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
		rec := store.Record{Line: d.line, Fields: d.fields, Pos: g.pos(behind)}
		s.setOrigin(&rec, g)
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
	return nil, nil
}
