package testkit

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// StartFails is a store whose readings all fail at the start.
type StartFails struct {
	store.Store
	// Err is what it fails with; nil: it panics.
	Err error
}

// noReading is what a careless store returns together with an error.
type noReading struct{ store.Reading }

// Close is not called for a reading that was never begun.
func (r *noReading) Close() { r.Reading.Close() }

// Read fails, and returns a reading that is not nil.
func (s *StartFails) Read(context.Context, store.Start, store.Query) (store.Reading, error) {
	return (*noReading)(nil), s.fail()
}

// Last fails.
func (s *StartFails) Last(context.Context, store.Query, *store.Batch) (*store.Record, error) {
	return nil, s.fail()
}

func (s *StartFails) fail() error {
	if s.Err == nil {
		panic("the store panics")
	}
	return s.Err
}

// StartFault is an error of a store, and the name that the contract has for it.
type StartFault struct {
	Err  error
	Name string
}

// StartFaults are all errors of a store that a call can begin with, and a panic.
func StartFaults() []StartFault {
	return []StartFault{
		{&events.CursorError{Cursor: "x", Reason: "it is none"}, "InvalidCursor"},
		{&events.ExpiredError{Oldest: "y"}, "CursorExpired"},
		{&events.UnavailableError{Backend: events.LogFile, Reason: "cannot read the log"}, "BackendUnavailable"},
		{events.ErrNoReading, "BackendUnavailable"},
		{context.DeadlineExceeded, "BackendUnavailable"},
		{nil, "BackendUnavailable"},
	}
}
