package events

import (
	"errors"
	"fmt"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/nearest"
)

// Sentinel errors. Their texts are read by people: test with errors.Is.
var (
	// ErrEventTypeBlank is returned when an event without a type is written or read.
	ErrEventTypeBlank = errors.New("event type cannot be blank")
	// ErrEventStatusBlank is returned when an event without a status is written or read.
	ErrEventStatusBlank = errors.New("event status cannot be blank")
	// ErrEventTimeBlank is returned when a line of the log has no time.
	ErrEventTimeBlank = errors.New("event time cannot be blank")
	// ErrEventNotFound is returned when no event matches.
	ErrEventNotFound = errors.New("unable to find event")
	// ErrNoReading is returned when events are read from a store that keeps none.
	ErrNoReading = errors.New("cannot read events: the backend is 'none', which keeps no events; " +
		"set events_logger to file or journald in containers.conf")
)

// WordError is returned for a word that is not a known type or status.
type WordError struct {
	Kind    string // "event type" or "event status"
	Word    string // as given
	Nearest string // the known word that is probably meant, "" if none is near
}

func newWordError(kind, word string, words []string) *WordError {
	return &WordError{Kind: kind, Word: word, Nearest: nearest.Word(word, words)}
}

func (e *WordError) Error() string { return filter.UnknownWord(e.Kind, e.Word, e.Nearest) }

// FilterError is returned for an invalid filter. Its fields are Filter, as given, and
// Reason: why it is invalid, and the nearest valid word.
type FilterError = filter.Error

// TimeError is returned for an invalid time.
type TimeError struct {
	Field  string // since, until or time
	Value  string // as given
	Reason string // why it is invalid, and which forms are valid
}

func (e *TimeError) Error() string {
	return fmt.Sprintf("cannot understand %s %q: %s", e.Field, e.Value, e.Reason)
}

// FieldError is returned for an event that cannot be written as it is.
type FieldError struct {
	Field  string // a member of NewEvent in io.podman.events.varlink
	Reason string // why
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("cannot write event: %s: %s", e.Field, e.Reason)
}

// CursorError is returned for a cursor that this service has not made.
type CursorError struct {
	Cursor string // as given
	Reason string // why
}

func (e *CursorError) Error() string {
	return fmt.Sprintf("cannot understand cursor %q: %s", e.Cursor, e.Reason)
}

// ExpiredError is returned when the store no longer holds the place after a cursor,
// when that place is not certain, or when the cursor is from another kind of store,
// which the service used before. Events directly after the cursor may be lost.
type ExpiredError struct {
	// Oldest is the position before the oldest event that the store still holds:
	// reading after it starts there.
	Oldest string
}

func (e *ExpiredError) Error() string {
	return "cannot resume: the store no longer holds the place after the cursor; " +
		"events may have been lost, go on from the oldest event"
}

// UnavailableError is returned when the store cannot be read or written.
type UnavailableError struct {
	Backend EventerType // the kind of store
	Reason  string      // why, and what to do
}

func (e *UnavailableError) Error() string { return e.Reason }

// Is makes a store that keeps nothing match ErrNoReading.
func (e *UnavailableError) Is(target error) bool { return target == ErrNoReading && e.Backend == Null }
