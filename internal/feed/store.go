package feed

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// What the interfaces need of the store they get from here, under the same names:
// an interface knows no store.
type (
	// Query is a choice of records.
	Query = store.Query
	// Record is one event as it lies in the store.
	Record = store.Record
	// Batch is what a reading yields at a time.
	Batch = store.Batch
	// Reading is one reader's way through the past.
	Reading = store.Reading
	// Status is the state of the store.
	Status = store.Status
	// Written is what became of an event that was to be written.
	Written = store.Written
)

// AnyUID in a Query stands for the events of every user.
const AnyUID = store.AnyUID

// Everything is the query that every record answers.
func Everything() Query { return store.Everything() }

// Type is the kind of store.
func (f *Feed) Type() events.EventerType { return f.st.Type() }

// Path is where the store lies, "" if it is nowhere.
func (f *Feed) Path() string { return f.st.Path() }

// Status returns the state of the store.
func (f *Feed) Status() Status { return f.st.Status() }

// Read begins a reading of the past after a cursor, from the oldest event on
// if it is empty, to the end of the store as it is now.
func (f *Feed) Read(ctx context.Context, after string, query Query) (Reading, error) {
	return f.read(ctx, store.Start{After: after}, query, query.Filters.Changes())
}

// Last finds the newest record, in the order of the store, that answers the
// query; events.ErrEventNotFound if there is none. It is valid until the batch
// is used again.
func (f *Feed) Last(ctx context.Context, query Query, b *Batch) (*Record, error) {
	if query.Filters.Changes() != nil {
		return f.lastChange(ctx, query, b)
	}
	return f.st.Last(ctx, query, b)
}

// Write writes events and returns what became of each, once those that can be
// written are in the store. From then on subscribers get them as they get every
// other.
func (f *Feed) Write(ctx context.Context, batch []events.Event) []Written {
	began := time.Now()
	results := f.st.Append(ctx, batch)
	if f.observer != nil {
		_, err := store.Cursors(results)
		f.observer.Wrote(len(batch), time.Since(began), err)
	}
	return results
}
