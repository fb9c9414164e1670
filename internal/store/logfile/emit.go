package logfile

import (
	"bytes"
	"time"
	"unsafe"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// emit decodes the lines of a chunk into records and hands them to the sink, which owns
// the chunk's memory from then on. If of is not nil, the fields in it need not be
// decoded.
func (f *follower) emit(c *chunk, of *known) {
	g, numbers := f.chain.current, f.chain.twins
	if c.tooLong >= 0 {
		f.skips.note(g, c.tooLong, line.ErrLong)
	}
	records := make([]store.Record, 0, min(bytes.Count(c.data, []byte{'\n'}), len(c.data)/leastLine+1))
	const cursorLength = 2 + idLength + checkLength
	arena := make([]byte, 0, cursorLength*cap(records))
	var read *decoded // of lines that have to be decoded
	data, off := c.data, c.off
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		text := data[:n:n]
		data = data[n+1:]
		start := off
		off += int64(n) + 1
		if n == 0 {
			continue
		}
		var d decoded
		if of == nil || !of.next(text, &d) {
			if read == nil {
				read = new(decoded)
			}
			found, err := read.decode(text)
			d = *read
			if err != nil {
				f.skips.note(g, start, err)
			}
			if !found {
				continue
			}
		}
		id := numbers.next(d.fields.Time, d.hash)
		from := len(arena)
		arena = appendEventCursor(arena, id, g.id)
		records = append(records, store.Record{
			Line: d.line, Fields: d.fields, Pos: g.pos(off), Cursor: arena[from:len(arena):len(arena)],
		})
		f.chain.setSource(&records[len(records)-1], g)
	}
	f.chain.advance(c.next, &numbers)
	f.read += uint64(len(records))
	if len(records) > 0 && (g.file != f.ownFile || c.next > f.ownEnd) {
		f.others++
	}
	records = compact(records, cap(c.data)+cap(arena)+(cap(records)-len(records))*int(unsafe.Sizeof(store.Record{})))
	if f.seen != nil {
		f.seen(records)
	}
	f.sink(store.Emission{Records: records, Pos: f.chain.pos(), Cursor: f.chain.cursor()})
}

// emitPlace hands the sink a new position without records.
func (f *follower) emitPlace(lost bool) {
	f.sink(store.Emission{Pos: f.chain.pos(), Cursor: f.chain.cursor(), Lost: lost})
}

// leastLine is about the length of the shortest line that is an event.
const leastLine = len(`{"Type":"a","Status":"a","Time":"2006-01-02T15:04:05Z"}` + "\n")

// compact copies the records into memory of their own if they keep much more alive than
// they use: there may be any amount of garbage between them.
func compact(records []store.Record, held int) []store.Record {
	const slack = 4 << 10
	filled := 0
	for i := range records {
		filled += len(records[i].Line) + len(records[i].Cursor)
	}
	if held <= 2*filled+slack {
		return records
	}
	buf := make([]byte, 0, filled)
	keep := func(b []byte) []byte {
		from := len(buf)
		buf = append(buf, b...)
		return buf[from:len(buf):len(buf)]
	}
	own := make([]store.Record, len(records))
	for i := range records {
		own[i] = records[i]
		own[i].Line, own[i].Cursor = keep(records[i].Line), keep(records[i].Cursor)
	}
	return own
}

// written is what was just written to the log, which the sink gets without reading it
// back. It is made and used with the lock of the log and the mutex of the follower
// held.
type written struct {
	file   fileID
	off    int64     // where it was written
	before time.Time // modification time of the file before the write
	data   []byte    // whole lines
	of     known     // the fields of its events
}

// knowsEnd reports whether the follower has read to the end of a file of this size, and
// nothing has written to it since, so that a whole line is before the end.
func (f *follower) knowsEnd(file fileID, size int64, modified time.Time) bool {
	g := f.chain.current
	return g != nil && g.file == file && f.chain.off == size && modified.Equal(f.unchanged)
}

// take hands the sink what was just written, and seen the records. If the follower had
// read up to that place and nothing else has written to the file since, they come from
// memory; otherwise the file is read as if others had written.
func (f *follower) take(w *written, seen func([]store.Record)) {
	if f.sink == nil {
		return
	}
	f.seen = seen
	defer func() { f.seen = nil }()
	if f.remember(w) {
		f.setFault(nil)
	} else if err := f.lookLocked(); err != nil {
		f.log.Warn("cannot read back what was written", "path", f.path, "error", err)
	}
}

func (f *follower) remember(w *written) bool {
	if f.closed || len(w.data) == 0 || !f.knowsEnd(w.file, w.off, w.before) {
		return false
	}
	c := chunk{data: w.data, off: w.off, next: w.off + int64(len(w.data)), tooLong: -1}
	state, err := f.chain.current.stat()
	if err != nil || state.size != c.next {
		return false // another process has written too, perhaps before
	}
	f.unchanged = state.modified
	before := f.read
	f.emit(&c, &w.of)
	f.remembered += f.read - before
	f.noteGrowth()
	return true
}
