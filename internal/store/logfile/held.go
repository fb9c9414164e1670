package logfile

import (
	"bytes"

	"github.com/eventsvc/eventsvc/events"
)

// The bounds of what is held open for readings that are behind: descriptors,
// and bytes of files that may be deleted already.
const (
	maxHeld      = 64
	maxHeldBytes = 64 << 20
)

// trimHeldLocked lets go of the generations that no reading can come to, and
// of the oldest where too much is held.
func (s *Store) trimHeldLocked() {
	first := uint64(1<<64 - 1)
	for r := range s.readings {
		if r.g == nil { // it begins with the first there was
			first = 1
		} else {
			first = min(first, r.g.seq)
		}
	}
	var bytes int64
	for _, g := range s.held {
		bytes += g.end
	}
	for len(s.held) > 0 && (s.held[0].seq < first || len(s.held) > maxHeld || bytes > maxHeldBytes) {
		bytes -= s.held[0].end
		s.release(s.held[0])
		s.held = s.held[1:]
	}
}

// expiredLocked is the error for those whose place is gone.
func (s *Store) expiredLocked() error {
	return &events.ExpiredError{Oldest: s.oldestCursorLocked()}
}

// oldestCursorLocked names the position before the oldest event.
func (s *Store) oldestCursorLocked() string {
	g := s.oldestLocked()
	if g == nil {
		return s.cursorLocked()
	}
	c := cursor{kind: kindOrigin, genID: g.id, hinted: true, hint: hint{genID: g.id}}
	if chunk, _, err := g.readChunk(nil, 0, 1<<62); err == nil {
		if id, _, ok := firstEvent(chunk.data); ok {
			c.kind, c.id = kindBefore, id
		}
	}
	return string(appendCursor(nil, c))
}

// firstEvent returns the identity of the first event in the lines, and the
// offset of its line.
func firstEvent(data []byte) (id identity, off int64, ok bool) {
	var d decoded
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		if n < 0 {
			return id, 0, false
		}
		if found, _ := d.decode(data[:n]); found {
			return identity{time: d.fields.Time, hash: d.hash}, off, true
		}
		data = data[n+1:]
		off += int64(n) + 1
	}
	return id, 0, false
}
