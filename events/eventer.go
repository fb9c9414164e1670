package events

import (
	"context"
)

// EventerType is a kind of store, in the words of events_logger in
// containers.conf.
type EventerType string

// The kinds of store.
const (
	// LogFile is Podman's event log file, one JSON object a line.
	LogFile EventerType = "file"
	// Journald is the systemd journal.
	Journald EventerType = "journald"
	// Null drops what is written and cannot be read.
	Null EventerType = "none"
)

// String returns the word of containers.conf.
func (t EventerType) String() string { return string(t) }

// EventerOptions says which store to open.
type EventerOptions struct {
	// EventerType is the kind of store.
	EventerType string
	// LogFilePath is the path of the log file; only for LogFile.
	LogFilePath string
	// LogFileMaxSize bounds the log file in bytes, after which it is set
	// aside; only for a log file that no Podman rotates. 0: never.
	LogFileMaxSize uint64
}

// Eventer is a store of events, in libpod's shape. It is safe for concurrent use.
type Eventer interface {
	// Write appends an event to the store. When it returns, the event is stored.
	Write(event Event) error
	// Read sends the events that the options select to their EventChannel, in the order
	// of the store. It returns when all have been sent, when the context is done, or on
	// an error, and always closes the channel.
	Read(ctx context.Context, options ReadOptions) error
	// String returns the kind of store, a word of containers.conf.
	String() string
}

// ReadResult is an event that was read, or an error in its place.
type ReadResult struct {
	Event *Event
	Error error
}

// ReadOptions says which events to read.
type ReadOptions struct {
	// EventChannel is where the events go. Read closes it.
	EventChannel chan ReadResult
	// Filters are strings in the form that ParseFilters parses.
	Filters []string
	// FromStart reads the events that the store already holds; without it,
	// and without Since and Until, reading starts with the next new event.
	FromStart bool
	// Since and Until bound the time of the events, both exclusive, in the forms that
	// ParseTime parses; empty means no bound.
	Since string
	Until string
	// Stream waits for new events at the end of the store, until the time of Until if
	// it is set. Without it Read ends there.
	Stream bool
}

// EventFilter reports whether an event is wanted.
type EventFilter func(*Event) bool
