package logfile

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// written is what Append has just written, which it can tell the sink without
// reading it back. It is made and used with the lock of the log and the mutex
// of the store held.
type written struct {
	file   fileID
	off    int64     // where it was written
	before time.Time // modification time of the file before that
	data   []byte    // whole lines
}

// known goes through what is known of the events of jobs, in their order.
type known struct {
	jobs []*appendJob
	i    int // of the next event of the first job
}

// next fills in what is known of the event that the next line is. It returns
// false if the line has to be read.
func (k *known) next(text []byte, d *decoded) bool {
	for len(k.jobs) > 0 && k.i == len(k.jobs[0].hashes) {
		k.jobs, k.i = k.jobs[1:], 0
	}
	if len(k.jobs) == 0 {
		return false
	}
	j, i := k.jobs[0], k.i
	k.i++
	if !j.known[i] {
		return false
	}
	d.line, d.fields, d.hash = text, j.fields[i], j.hashes[i]
	return true
}

// lengthOf returns how many bytes jobs have written.
func lengthOf(jobs []*appendJob) int {
	n := 0
	for _, j := range jobs {
		n += len(j.lines)
	}
	return n
}

func modified(stat *unix.Statx_t) time.Time {
	return time.Unix(stat.Mtime.Sec, int64(stat.Mtime.Nsec))
}

// note remembers what was written, if it was written whole.
func (q *appendQueue) note(data []byte, off int64, err error) {
	q.wrote = written{}
	if err == nil {
		q.wrote = written{file: q.id, off: off, before: q.modified, data: data}
	}
}

// knowsEnd reports whether following has come to the end of a file of this size,
// which nobody has touched since: a whole line lies before it.
func (s *Store) knowsEnd(file fileID, size int64, modified time.Time) bool {
	return s.cur != nil && s.cur.file == file && s.off == size && modified.Equal(s.unchanged)
}

// tellWritten tells the sink what was written, if following had come to the
// place where that was, in a file that nobody has touched since. Otherwise it
// returns false, and it has to be read as what others write.
func (s *Store) tellWritten(w written, jobs []*appendJob) bool {
	if s.closed || !s.knowsEnd(w.file, w.off, w.before) {
		return false
	}
	c := chunk{data: w.data, off: w.off, next: w.off + int64(len(w.data)), tooLong: -1}
	state, err := s.cur.stat()
	if err != nil || state.size != c.next {
		return false // somebody has written too, perhaps before it
	}
	s.unchanged = state.modified
	of := known{jobs: jobs}
	if len(w.data) != lengthOf(jobs) { // it begins with the end of a torn line
		of.jobs = nil
	}
	s.emit(&c, false, &of)
	s.noteGrowth()
	return true
}

// collect lets everybody see what was written, and learns the cursors on the
// way.
func (s *Store) collect(jobs []*appendJob) {
	if sink := s.sink; sink != nil {
		c := collector{sink: sink, jobs: jobs}
		s.sink = c.take
		if s.tellWritten(s.appends.wrote, jobs) {
			s.setFault(nil)
		} else if err := s.lookLocked(); err != nil {
			s.log.Warn("cannot read back what was written", "path", s.path, "error", err)
		}
		s.sink = sink
	}
	for _, j := range jobs {
		s.written += uint64(len(j.hashes))
		j.nameUnseen()
	}
}

// collector hands emissions on and picks the cursors of what was just written.
type collector struct {
	sink store.Sink
	jobs []*appendJob
}

func (c *collector) take(e store.Emission) {
	for i := range e.Records {
		rec := &e.Records[i]
		for len(c.jobs) > 0 && len(c.jobs[0].cursors) == len(c.jobs[0].hashes) {
			c.jobs = c.jobs[1:]
		}
		if len(c.jobs) == 0 {
			break
		}
		if j := c.jobs[0]; hashOf(rec.Cursor) == j.hashes[len(j.cursors)] {
			j.cursors = append(j.cursors, string(rec.Cursor))
		}
	}
	c.sink(e)
}

// nameUnseen makes the cursors of events that were written but could not be
// read back: those of events that have no equal.
func (j *appendJob) nameUnseen() {
	for i := len(j.cursors); i < len(j.hashes); i++ {
		id := identity{time: j.times[i], hash: j.hashes[i]}
		j.cursors = append(j.cursors, string(appendEventCursor(nil, id, 0)))
	}
}
