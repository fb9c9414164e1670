package client

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// Status is the state of the service.
type Status struct {
	// Version of the service.
	Version string
	// Backend is the kind of store.
	Backend events.EventerType
	// Path of the log file or of the journal directory; empty if there is none, and for
	// callers that may not read everything.
	Path string
	// Oldest and Newest are the times of the first and the last event in the store, in
	// the order of the store; zero if there is none.
	Oldest, Newest time.Time
	// EventsRead counts the events read from the store since the service
	// started, EventsWritten those written through it.
	EventsRead, EventsWritten int64
	// Subscribers counts the subscribers on all interfaces.
	Subscribers int64
	// Skipped counts the lines or entries that could not be decoded.
	Skipped int64
	// LastSkipped is where the last of them is, and the reason.
	LastSkipped string
	// Fault is why the store cannot be read or written now.
	Fault string
}

// GetStatus returns the state of the service.
func (c *Client) GetStatus(ctx context.Context) (*Status, error) {
	var reply struct {
		Version       string
		Backend       string
		Path          string
		Oldest        time.Time
		Newest        time.Time
		EventsRead    int64
		EventsWritten int64
		Subscribers   int64
		Skipped       int64
		LastSkipped   string
		Fault         string
	}
	if err := c.call(ctx, "GetStatus", struct{}{}, simple{&reply}, true); err != nil {
		return nil, err
	}
	return &Status{
		Version: reply.Version, Backend: events.EventerType(reply.Backend), Path: reply.Path,
		Oldest: reply.Oldest, Newest: reply.Newest,
		EventsRead: reply.EventsRead, EventsWritten: reply.EventsWritten, Subscribers: reply.Subscribers,
		Skipped: reply.Skipped, LastSkipped: reply.LastSkipped, Fault: reply.Fault,
	}, nil
}
