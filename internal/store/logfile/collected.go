package logfile

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Collected says from where the lines of a log were collected.
type Collected int

// The zero value is a log of one host's Podman.
const (
	NotCollected Collected = iota
	// FromHosts: each line names its host and the user there.
	FromHosts
	// FromUsers: each line names its user, who is one of this host. A line that
	// names a host has a user that is not known, since uids mean other people there.
	FromUsers
)

// setSource says which host and user a record is of: those that the line of a
// collected log names, else the owner of the file.
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

// refuseWrites is Append for a collected log, which its collector alone writes.
func refuseWrites(_ context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	for i := range results {
		results[i].Err = &events.UnavailableError{Backend: events.LogFile, Reason: "cannot write event: this log is collected from other services " +
			"or users, and its collector alone writes it; write to the service where the event belongs"}
	}
	return results
}
