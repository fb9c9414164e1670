package client

import (
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// Line is the format of NextLine. The zero value is the line of podman events, with the
// time in UTC.
type Line struct {
	// JSON selects the line of eventsvc events --format json.
	JSON bool
	// Truncate cuts IDs to 12 characters. It does not affect JSON.
	Truncate bool
	// Zone is the time zone in which the time is printed; nil is UTC.
	Zone *time.Location
}

// append appends the line of a decoded event.
func (l Line) append(dst []byte, e *events.Event) []byte {
	zoned := *e
	zoned.Time = e.Time.In(l.zone())
	if l.JSON {
		return zoned.AppendOutputJSON(dst)
	}
	return zoned.AppendHumanReadable(dst, l.Truncate)
}

func (l Line) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}
