package logfile

import (
	"time"

	"golang.org/x/sys/unix"
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

// knowsEnd tells whether following has come to the end of a file of this size,
// which nobody has touched since: a whole line lies in front of it.
func (s *Store) knowsEnd(file fileID, size int64, modified time.Time) bool {
	return s.cur != nil && s.cur.file == file && s.off == size && modified.Equal(s.unchanged)
}

// tellWritten tells the sink what was written, if following had come to the
// place where that was, in a file that nobody has touched since. Otherwise it
// returns false, and it has to be read as what others write.
func (s *Store) tellWritten(w written) bool {
	if s.closed || !s.knowsEnd(w.file, w.off, w.before) {
		return false
	}
	info, err := s.disk.stat(s.cur.f)
	if err != nil || info.Size() != w.off+int64(len(w.data)) {
		return false // somebody has written too, perhaps in front of it
	}
	c := chunk{data: w.data, off: w.off, next: w.off + int64(len(w.data)), tooLong: -1}
	if info.Size() == c.next {
		s.unchanged = info.ModTime()
	}
	s.emit(&c, false)
	s.noteGrowth()
	return true
}
