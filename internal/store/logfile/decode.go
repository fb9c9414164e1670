package logfile

import (
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/line"
)

// decoded is an event found in a line of the file.
type decoded struct {
	line   []byte // in the form that fields describe
	fields line.Fields
	hash   uint64 // of the event as it stands in the file
}

// decode finds the event in a line of the file, and its hash. An error says why
// the line, or the part of it before an event, is none; found says whether
// there is an event.
func (d *decoded) decode(b []byte) (found bool, err error) {
	text, stored, err := line.Find(b, &d.fields)
	if text == nil {
		return false, err
	}
	d.line, d.hash = text, hashLine(stored)
	return true, err
}

// isMarker reports whether the event says that Podman rotated the log. Markers
// come and go with rotation: they prove nothing, and nothing is aligned by them.
func isMarker(f *line.Fields) bool { return f.Status == markerCode }

var markerCode = filter.CodeOfStatus(events.Rotate)
