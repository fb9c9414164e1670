package feed

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Interfaces do not import the store; what they need of it is here, under the same
// names.
type (
	// Query selects records.
	Query = store.Query
	// Record is one event as it is in the store.
	Record = store.Record
	// Batch is what a reading returns at a time.
	Batch = store.Batch
	// Reading reads the past for one reader.
	Reading = store.Reading
	// Status is the state of the store.
	Status = store.Status
	// Written is the result of writing an event.
	Written = store.Written
)

// AnyUID in a Query selects the events of every user.
const AnyUID = store.AnyUID

// Everything returns the query that every record matches.
func Everything() Query { return store.Everything() }

// Type returns the kind of store.
func (f *Feed) Type() events.EventerType { return f.st.Type() }

// Path returns where the store is, "" if it has no path.
func (f *Feed) Path() string { return f.st.Path() }

// Status returns the state of the store.
func (f *Feed) Status() Status { return f.st.Status() }

// Read begins a reading of the past after a cursor, or from the oldest event on if it
// is empty, to the current end of the store.
func (f *Feed) Read(ctx context.Context, after string, query Query) (Reading, error) {
	return f.read(ctx, store.Start{After: after}, query, query.Filters.Changes())
}

// Last finds the newest record, in the order of the store, that matches the query; the
// error is events.ErrEventNotFound if there is none. The record is valid until the
// batch is used again.
func (f *Feed) Last(ctx context.Context, query Query, b *Batch) (*Record, error) {
	if query.Filters.Changes() != nil {
		return f.lastChange(ctx, query, b)
	}
	return f.st.Last(ctx, query, b)
}

// Write writes events and returns the result of each, once those that can be written
// are in the store. Subscribers then get them like any others.
func (f *Feed) Write(ctx context.Context, batch []events.Event) []Written {
	began := time.Now()
	results := f.st.Append(ctx, batch)
	if f.observer != nil {
		_, err := store.Cursors(results)
		f.observer.Wrote(len(batch), time.Since(began), err)
	}
	return results
}
