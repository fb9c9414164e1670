package logfile

import (
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// setSource says which host and user a record is of: those that the line of a
// collected log names, else the owner of the file.
func (c *chain) setSource(rec *store.Record, g *generation) {
	if c.collected {
		rec.Host, rec.UID = line.Origin(rec.Line)
		return
	}
	rec.UID = g.uid.Load()
}
