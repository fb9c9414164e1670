package logfile

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// last finds the newest record that matches the query.
func (p *past) last(ctx context.Context, query store.Query, b *store.Batch) (*store.Record, error) {
	if err := p.look(); err != nil {
		return nil, err
	}
	gs, ends := p.chain.stored()
	defer p.chain.release(gs...)
	for i := len(gs) - 1; i >= 0; i-- {
		rec, err := p.lastIn(ctx, gs[i], ends[i], &query, b)
		if rec != nil || err != nil {
			return rec, err
		}
	}
	return nil, events.ErrEventNotFound
}

// lastIn finds the newest record of a generation before end.
func (p *past) lastIn(ctx context.Context, g *generation, end int64, query *store.Query, b *store.Batch) (*store.Record, error) {
	if _, err := g.stat(); err != nil {
		return nil, unavailable(err)
	}
	// Often it is one of the last lines, and their block need not be read.
	if rec, err := p.lastBetween(ctx, g, max(0, end-firstStep), end, query, b); rec != nil || err != nil {
		return rec, err
	}
	w := sweep{past: p, g: g, filter: newPrefilter(query)}
	var t task
	for end > 0 {
		known, _, ok := g.index.at(end - 1)
		start := known.start
		if !ok {
			start = min(g.index.extent(), end)
		}
		if !ok || known.end != end || !known.outOfTurn(end) {
			rec, err := p.lastBetween(ctx, g, start, end, query, b)
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
			return nil, unavailable(t.err)
		case t.short: // the file no longer matches the index
			return p.lastBetween(ctx, g, 0, end, query, b)
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
func (p *past) lastBetween(ctx context.Context, g *generation, least, end int64, query *store.Query, b *store.Batch) (*store.Record, error) {
	lines := g.back(end)
	var d decoded
	for n := 0; lines.end > least; n++ {
		after := lines.end
		text, start, ok, err := lines.next()
		if err != nil {
			return nil, unavailable(err)
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
			p.skips.note(g, start, reason)
		}
		if !found {
			continue
		}
		rec := store.Record{Line: d.line, Fields: d.fields, Pos: g.pos(after)}
		p.chain.setSource(&rec, g)
		if !query.Match(&rec) {
			continue
		}
		t, err := g.warm(start)
		if err != nil {
			return nil, unavailable(err)
		}
		rec.Cursor = appendEventCursor(nil, t.next(d.fields.Time, d.hash), g.id)
		b.Records = append(b.Records[:0], rec)
		return &b.Records[0], nil
	}
	return nil, nil
}
