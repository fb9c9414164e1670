package line

import (
	"bytes"
	"encoding/json"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// ErrLong is returned for a line longer than MaxLine.
var ErrLong = errors.Errorf("the line is longer than %d bytes", MaxLine)

var errTorn = errors.New("a torn line, before an event that was glued to it and is delivered")

// Find finds the event in a line of a log. text is the event in the form that the
// fields describe, nil if there is none; stored is the event as it is in the log. The
// error says why the line, or the part of it before the event, is not an event.
func Find(b []byte, f *Fields) (text, stored []byte, err error) {
	if Scan(b, f) {
		return b, b, nil
	}
	if len(b) > MaxLine {
		return nil, nil, ErrLong
	}
	if text, err = Normalize(b, f); text != nil {
		return text, b, err
	}
	if glued := gluedEvent(b); glued != nil {
		if Scan(glued, f) {
			return glued, glued, errTorn
		}
		if text, _ := Normalize(glued, f); text != nil {
			return text, glued, errTorn
		}
	}
	return nil, nil, err
}

// maxGlued bounds the places where an event glued to a torn line is searched for, from
// the end of the line; maxGluedBytes bounds the bytes decoded there. An event in
// Podman's form has few objects.
const (
	maxGlued      = 32
	maxGluedBytes = limits.OddLine
)

// gluedEvent finds the event at the end of a line that begins with something else: a
// writer died in the middle of its line, or the file has a hole, and the next writer's
// line follows directly.
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
			var f Fields
			if Scan(candidate, &f) {
				return candidate
			}
			if text, _ := Normalize(candidate, &f); text != nil {
				return candidate
			}
		}
		end = start
	}
	return nil
}
