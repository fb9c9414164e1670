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
	hash   uint64 // of the event as it is in the file
}

// decode finds the event in a line of the file, and its hash. found reports whether
// there is one. The error says why the line, or the part of it before the event, is not
// an event.
func (d *decoded) decode(b []byte) (found bool, err error) {
	text, stored, err := line.Find(b, &d.fields)
	if text == nil {
		return false, err
	}
	d.line, d.hash = text, hashLine(stored)
	return true, err
}

// isMarker reports whether the event is Podman's marker of a log rotation. Markers come
// and go with rotation, so they prove nothing, and are not used to align files.
func isMarker(f *line.Fields) bool { return f.Status == markerCode }

var markerCode = filter.CodeOfStatus(events.Rotate)
