//go:build systemd && cgo

package journald

import (
	"context"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Last finds the newest record that matches the query, searching backwards from the
// end.
func (s *Store) Last(ctx context.Context, query store.Query, b *store.Batch) (rec *store.Record, err error) {
	err = retry(func() error {
		rec, _, err = s.last(ctx, query, b, nil)
		return err
	})
	if errors.Is(err, events.ErrEventNotFound) {
		return nil, err
	}
	return rec, asked(err)
}

// last also returns where the record is. It does not search beyond the mark, if there
// is one.
func (s *Store) last(ctx context.Context, query store.Query, b *store.Batch, behind *mark) (rec *store.Record, at sdjournal.Place, err error) {
	if err := ctx.Err(); err != nil {
		return nil, at, err
	}
	r := &reading{s: s, query: query}
	defer r.Close()
	if err := r.look(); err != nil {
		return nil, at, err
	}
	if !r.base.known {
		return nil, at, events.ErrEventNotFound
	}
	if err := r.openMatching(ctx); err != nil {
		return nil, at, err
	}
	if r.h == nil {
		return nil, at, events.ErrEventNotFound
	}
	if err := r.h.SeekTail(); err != nil {
		return nil, at, err
	}
	const first = 4 // entries; one is often enough
	for most := first; ; most = min(sdjournal.MaxEntries, 4*most) {
		if err := ctx.Err(); err != nil {
			return nil, at, err
		}
		var end bool
		if r.entries, end, err = r.h.Previous(r.entries, most, eventFields); err != nil {
			return nil, at, err
		}
		for i := range r.entries {
			e := &r.entries[i]
			if s.beyond(&e.Place, &r.base) {
				continue
			}
			if behind != nil && !s.beyond(&e.Place, behind) {
				return nil, at, events.ErrEventNotFound
			}
			b.Records, b.Arena, b.Buffer = b.Records[:0], b.Arena[:0], b.Buffer[:0]
			if err := s.decodeTo(b, e, &r.decoder, &query); err != nil {
				s.noteSkip(&e.Place, err)
			}
			if len(b.Records) == 0 {
				continue
			}
			if !s.ofHost() {
				if e.Place.Twin, err = countTwins(r.h, &e.Place); err != nil {
					return nil, at, err
				}
				b.Records[0].Cursor = appendCursor(nil, kindAfter, &e.Place.Key, e.Place.Twin)
			}
			return &b.Records[0], e.Place, nil
		}
		if end {
			return nil, at, events.ErrEventNotFound
		}
	}
}
