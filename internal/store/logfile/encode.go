package logfile

import (
	"sync"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// encoded is events in the form in which they are written to the log, with the fields
// already known of each, so that it need not be parsed again.
type encoded struct {
	lines  []byte
	hashes []uint64
	times  []int64
	fields []line.Fields
	known  []bool // whether the fields are
}

// encodings are reused by later callers, except those that have grown large.
var encodings = sync.Pool{New: func() any { return new(encoded) }}

const maxKeptLines = 256 << 10 // bytes

func (e *encoded) release() {
	if cap(e.lines) <= maxKeptLines {
		e.lines, e.hashes, e.times, e.fields, e.known = e.lines[:0], e.hashes[:0], e.times[:0], e.fields[:0], e.known[:0]
		encodings.Put(e)
	}
}

// add adds an event, unless it has no line: then the error is an *events.FieldError.
func (e *encoded) add(event *events.Event) error {
	start, n := len(e.lines), len(e.fields)
	e.fields = append(e.fields, line.Fields{})
	lines, known, err := line.Append(e.lines, event, &e.fields[n])
	if err == nil && len(lines)-start > line.MaxLine {
		err = &events.FieldError{Field: "event", Reason: "it is too long"}
	}
	if err != nil {
		e.fields = e.fields[:n]
		return err
	}
	e.hashes = append(e.hashes, hashLine(lines[start:]))
	e.times = append(e.times, nanos.Of(event.Time))
	e.known = append(e.known, known)
	e.lines = append(lines, '\n')
	return nil
}

// known iterates over what is known of the events of several writes, in order. The zero
// value knows nothing.
type known struct {
	all []*write
	i   int // of the next event of the first
}

// next fills in what is known of the event in the next line. It returns false if the
// line has to be decoded.
func (k *known) next(text []byte, d *decoded) bool {
	for len(k.all) > 0 && k.i == len(k.all[0].hashes) {
		k.all, k.i = k.all[1:], 0
	}
	if len(k.all) == 0 {
		return false
	}
	e, i := k.all[0], k.i
	k.i++
	if !e.known[i] {
		return false
	}
	d.line, d.fields, d.hash = text, e.fields[i], e.hashes[i]
	return true
}
