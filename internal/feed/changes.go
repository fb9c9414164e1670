package feed

import (
	"context"
	"errors"
	"io"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

// changesReading reads records with a filter health=changed, which depends on the
// records before.
type changesReading struct {
	store.Reading
	changes *filter.Changes
}

// read begins a reading of the store.
func (f *Feed) read(ctx context.Context, start store.Start, query store.Query, changes *filter.Changes) (store.Reading, error) {
	reading, err := f.st.Read(ctx, start, query)
	if err != nil || changes == nil {
		return reading, err
	}
	return &changesReading{reading, changes}, nil
}

// Next is Reading.Next, without verdicts that have not changed.
func (r *changesReading) Next(ctx context.Context, b *store.Batch) error {
	for {
		if err := r.Reading.Next(ctx, b); err != nil {
			return err
		}
		kept := b.Records[:0]
		for i := range b.Records {
			if matchChanges(r.changes, &b.Records[i]) {
				kept = append(kept, b.Records[i])
			}
		}
		if b.Records = kept; len(kept) > 0 {
			return nil
		}
	}
}

func matchChanges(changes *filter.Changes, r *store.Record) bool {
	var v filter.View
	r.View(&v)
	return changes.Match(&v)
}

// lastChange finds the newest record of a query with health=changed. It has to see all
// verdicts, in order.
func (f *Feed) lastChange(ctx context.Context, query store.Query, b *store.Batch) (*store.Record, error) {
	reading, err := f.read(ctx, store.Start{}, query, query.Filters.Changes())
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	var batch store.Batch
	last, found := store.Record{}, false
	for {
		err := reading.Next(ctx, &batch)
		switch {
		case errors.Is(err, io.EOF) && found:
			b.Records = append(b.Records[:0], last)
			return &b.Records[0], nil
		case errors.Is(err, io.EOF):
			return nil, events.ErrEventNotFound
		case err != nil:
			return nil, err
		}
		newest := batch.Records[len(batch.Records)-1]
		b.Buffer = append(b.Buffer[:0], newest.Line...)
		b.Arena = append(b.Arena[:0], newest.Cursor...)
		last, found = newest, true
		last.Line, last.Cursor = b.Buffer, b.Arena
	}
}
