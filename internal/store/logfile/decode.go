package logfile

import (
	"bytes"
	"encoding/json"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/line"
)

// decoded is an event found in a line of the file.
type decoded struct {
	line   []byte // in the form that fields describe
	fields line.Fields
	hash   uint64 // of the event as it stands in the file
}

var (
	errTorn = errors.New("a torn line, before an event that was glued to it and is delivered")
	errLong = errors.Errorf("the line is longer than %d bytes", line.MaxLine)
)

// decode finds the event in a line of the file, and its hash. An error says why
// the line, or the part of it before an event, is none; found says whether
// there is an event.
func (d *decoded) decode(b []byte) (found bool, err error) {
	text, stored, err := findEvent(b, &d.fields)
	if text == nil {
		return false, err
	}
	d.line, d.hash = text, hashLine(stored)
	return true, err
}

// findEvent finds the event in a line of the file: in the form that the fields
// describe, and as it stands there. There is none if text is nil.
func findEvent(b []byte, f *line.Fields) (text, stored []byte, err error) {
	if line.Scan(b, f) {
		return b, b, nil
	}
	if len(b) > line.MaxLine {
		return nil, nil, errLong
	}
	if text, err = line.Normalize(b, f); text != nil {
		return text, b, err
	}
	if glued := gluedEvent(b); glued != nil {
		if line.Scan(glued, f) {
			return glued, glued, errTorn
		}
		if text, _ := line.Normalize(glued, f); text != nil {
			return text, glued, errTorn
		}
	}
	return nil, nil, err
}

// maxGlued bounds the places at which an event glued to a torn line is looked
// for, from the end of the line, and maxGluedBytes what is decoded there. An event
// in Podman's form has few objects.
const (
	maxGlued      = 32
	maxGluedBytes = limits.OddLine
)

// gluedEvent finds the event at the end of a line that begins with something
// else: a writer died in the middle of its line, or the file has a hole, and
// the next writer's line stands right after it.
func gluedEvent(b []byte) []byte {
	end, decoded := len(b), 0
	for range maxGlued {
		start := bytes.LastIndex(b[:end], []byte(`{"`))
		if start <= 0 {
			return nil
		}
		if decoded += len(b) - start; decoded > maxGluedBytes {
			return nil
		}
		if candidate := b[start:]; json.Valid(candidate) {
			var f line.Fields
			if line.Scan(candidate, &f) {
				return candidate
			}
			if text, _ := line.Normalize(candidate, &f); text != nil {
				return candidate
			}
		}
		end = start
	}
	return nil
}

// isMarker reports whether the event says that Podman rotated the log. Markers
// come and go with rotation: they prove nothing, and nothing is aligned by them.
func isMarker(f *line.Fields) bool { return f.Status == markerCode }

var markerCode = filter.CodeOfStatus(events.Rotate)
