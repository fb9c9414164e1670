package logfile

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Collected says where the lines of a log were collected from.
type Collected int

// The zero value is the log of one host's Podman.
const (
	NotCollected Collected = iota
	// FromHosts: each line names its host and the user there.
	FromHosts
	// FromUsers: each line names its user, who is a user of this host. If a line names
	// a host, its user is unknown, since uids mean other people there.
	FromUsers
)

// setSource sets the host and user of a record: those named in the line of a collected
// log, otherwise the owner of the file.
func (c *chain) setSource(rec *store.Record, g *generation) {
	if c.collected == NotCollected {
		rec.UID = g.uid.Load()
		return
	}
	rec.Host, rec.UID = line.Origin(rec.Line)
	if c.collected == FromUsers && rec.Host != "" {
		rec.UID = -1
	}
}

// refuseWrites is Append for a collected log, which only its collector writes.
func refuseWrites(_ context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	for i := range results {
		results[i].Err = &events.UnavailableError{Backend: events.LogFile, Reason: "cannot write event: this log is collected from other services " +
			"or users, and its collector alone writes it; write to the service where the event belongs"}
	}
	return results
}
