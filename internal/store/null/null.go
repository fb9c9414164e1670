// Package null is the store of hosts where Podman's events_logger is none: it drops
// what is written, and every attempt to read is an error.
package null

import (
	"context"
	"sync/atomic"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Store keeps nothing. The zero value is ready. It is safe for concurrent use.
type Store struct{ written atomic.Uint64 }

// Type returns events.Null.
func (s *Store) Type() events.EventerType { return events.Null }

// Path returns "": it has no path.
func (s *Store) Path() string { return "" }

// Follow does nothing: there are never events.
func (s *Store) Follow(store.Sink) (store.Pos, string, error) { return store.Pos{}, "", nil }

func unreadable() error {
	return &events.UnavailableError{Backend: events.Null, Reason: events.ErrNoReading.Error()}
}

// Attend does nothing.
func (s *Store) Attend(bool) {}

// Probe returns nil: there is nothing that could be stuck.
func (s *Store) Probe(context.Context) error { return nil }

// Look returns an error: there is nothing to read.
func (s *Store) Look() error { return unreadable() }

// Read returns an error: there is nothing to read.
func (s *Store) Read(context.Context, store.Start, store.Query) (store.Reading, error) {
	return nil, unreadable()
}

// Last returns an error: there is nothing to read.
func (s *Store) Last(context.Context, store.Query, *store.Batch) (*store.Record, error) {
	return nil, unreadable()
}

// droppedCursor is the cursor of an event that was dropped. No store accepts it.
const droppedCursor = "n"

// Append drops the events.
func (s *Store) Append(_ context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	for i := range batch {
		if _, err := batch[i].AppendJSON(nil); err != nil {
			results[i].Err = err
			continue
		}
		results[i].Cursor = droppedCursor
		s.written.Add(1)
	}
	return results
}

// Status returns how many events were dropped.
func (s *Store) Status() store.Status { return store.Status{Written: s.written.Load()} }

// Close does nothing.
func (s *Store) Close() error { return nil }
