package logfile

import (
	"bytes"
	"slices"

	"github.com/eventsvc/eventsvc/internal/line"
)

const (
	// chunkSize is how much of the file is read at once: enough that the cost of the
	// system call is negligible, small enough to stay in the cache.
	chunkSize = 256 << 10
	// firstStep is how much is read first when reading backwards, where one event is
	// often enough.
	firstStep = 2 << 10
)

// chunk is a piece of a file that ends with a newline.
type chunk struct {
	data []byte // whole lines, each with its newline
	off  int64  // of data in the file
	// next is the offset at which reading continues. It is after data if a line was
	// passed over because it is too long.
	next    int64
	tooLong int64 // offset of that line, -1 if there was none
}

// readChunk reads whole lines from off on, at most up to limit and about as many as fit
// into buf, which grows for a longer line. An empty chunk whose next is off means that
// no whole line ends before the limit.
func (g *generation) readChunk(buf []byte, off, limit int64) (chunk, []byte, error) {
	if cap(buf) == 0 {
		buf = make([]byte, chunkSize)
	}
	lastLine := bytes.LastIndexByte
	for {
		buf = buf[:cap(buf)]
		want := min(int64(len(buf)), limit-off)
		if want <= 0 {
			return chunk{off: off, next: off, tooLong: -1}, buf, nil
		}
		data, err := g.readAt(buf[:want], off)
		if err != nil {
			return chunk{}, buf, err
		}
		if last := lastLine(data, '\n'); last >= 0 {
			return chunk{data: data[:last+1], off: off, next: off + int64(last) + 1, tooLong: -1}, buf, nil
		}
		if len(data) < len(buf) {
			return chunk{off: off, next: off, tooLong: -1}, buf, nil
		}
		if len(buf) > line.MaxLine {
			next, err := g.passLine(buf, off, limit)
			if err != nil || next < 0 {
				return chunk{off: off, next: off, tooLong: -1}, buf, err
			}
			return chunk{off: off, next: next, tooLong: off}, buf, nil
		}
		buf = make([]byte, min(4*len(buf), line.MaxLine+1))
		lastLine = bytes.IndexByte // only that line, so that chunks stay small
	}
}

// passLine returns the offset after a line that begins at start and is too long to be
// read, -1 if it does not end before the limit.
func (g *generation) passLine(buf []byte, start, limit int64) (int64, error) {
	g.passing.Lock()
	defer g.passing.Unlock()
	off := start + int64(len(buf))
	if g.passedFrom == start && limit >= g.passedTo { // an unfinished line is not read again from its start
		off = g.passedTo
	}
	for off < limit {
		data, err := g.readAt(buf[:min(int64(len(buf)), limit-off)], off)
		if err != nil || len(data) == 0 {
			return -1, err
		}
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
		off += int64(len(data))
		g.passedFrom, g.passedTo = start, off
	}
	return -1, nil
}

// wholeEnd returns the offset after the last newline before size.
func (g *generation) wholeEnd(size int64) (int64, error) {
	buf := make([]byte, chunkSize/4)
	for size > 0 {
		start := max(0, size-int64(len(buf)))
		data, err := g.readAt(buf[:size-start], start)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(data, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		size = start
	}
	return 0, nil
}

// backLines iterates over the lines of a generation from an offset back to its start.
type backLines struct {
	g     *generation
	buf   []byte
	start int64 // offset of buf
	end   int64 // offset after the next line to be returned
	step  int64 // how much the last read took
}

// back starts at off, which must be the start of a line.
func (g *generation) back(off int64) *backLines {
	return &backLines{g: g, start: off, end: off}
}

// next returns the previous line, without its newline, and its offset. The line is
// valid until the next call. A line too long to be read is returned empty. ok is false
// at the start of the file.
func (l *backLines) next() (b []byte, off int64, ok bool, err error) {
	for l.end > 0 {
		text := l.buf[:l.end-l.start]
		if n := len(text); n > 0 {
			text = text[:n-1]
			if i := bytes.LastIndexByte(text, '\n'); i >= 0 || l.start == 0 {
				l.end = l.start + int64(i) + 1
				return text[i+1:], l.end, true, nil
			}
		}
		if len(text) > line.MaxLine {
			if l.end, err = l.g.wholeEnd(l.start); err != nil {
				return nil, 0, false, err
			}
			l.buf, l.start = nil, l.end
			return nil, l.end, true, nil
		}
		l.step = min(max(firstStep, 4*l.step), chunkSize)
		start := max(0, l.end-max(l.step, 2*int64(len(text))))
		if int64(cap(l.buf)) < l.end-start {
			l.buf = make([]byte, l.end-start)
		}
		data, err := l.g.readAt(l.buf[:l.end-start], start)
		if err != nil {
			return nil, 0, false, err
		}
		if int64(len(data)) < l.end-start { // the file was cut off meanwhile
			return nil, 0, false, nil
		}
		l.buf, l.start = data, start
	}
	return nil, 0, false, nil
}

// warm returns the numbering of equal events at off, which must be the start of a line.
func (g *generation) warm(off int64) (twins, error) {
	for want := 2 * twinWindow; ; want *= 2 {
		var t twins
		ids, all, err := g.idsBefore(off, want)
		if err != nil {
			return t, err
		}
		roots := make([]int, len(ids)) // for each event, the index of the first one equal to it
		exact := true
		for i, id := range ids {
			roots[i] = i
			if t.next(id.time, id.hash).twin > 0 {
				for j := i - 1; j >= 0 && i-j <= twinWindow; j-- {
					if ids[j].sameContent(id) {
						roots[i] = roots[j]
						break
					}
				}
			}
			if i >= len(ids)-twinWindow && roots[i] < twinWindow {
				exact = false
			}
		}
		if exact || all {
			return t, nil
		}
	}
}

// idsBefore returns the last n events before off, oldest first, and
// whether these are all there are.
func (g *generation) idsBefore(off int64, n int) (ids []identity, all bool, err error) {
	lines := g.back(off)
	var d decoded
	for len(ids) < n {
		b, _, ok, err := lines.next()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			all = true
			break
		}
		if found, _ := d.decode(b); found {
			ids = append(ids, identity{time: d.fields.Time, hash: d.hash})
		}
	}
	slices.Reverse(ids)
	return ids, all, nil
}
