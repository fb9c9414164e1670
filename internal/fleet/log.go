package fleet

import (
	"bytes"
	"io"
	"os"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/wholefile"
)

// Log is the log of a collector: lines in Podman's form, each with its origin. The
// file, and those set aside, are named like eventsvc's own log. Only one process writes
// to it; it is not safe for concurrent use.
type Log struct {
	path string
	most int64 // size at which it is set aside, in bytes; 0: never
	file *os.File
	lock *os.File
	size int64

	since int64 // bytes appended since keep was called
	keep  func() ([]byte, error)
}

// keptSuffix is the suffix of the file in which sources store their state.
const keptSuffix = ".places"

// logMode lets the collector and the service of its user read the log.
const logMode = 0o600

// OpenLog opens the log for appending, and creates it if it is missing. The log and the
// files set aside stay within maxSize bytes; 0: no bound. If another collector has the
// log open, that is an error.
func OpenLog(path string, maxSize int64) (*Log, error) {
	l := &Log{path: path, most: maxSize / (rotated.Kept + 1), since: keepEvery} // how much was appended before is unknown
	var err error
	// Not the lock that the log's other writers take: this one is held all the time.
	l.lock, err = os.OpenFile(path+".collect.lock", os.O_CREATE|os.O_RDWR, logMode)
	if err != nil {
		return nil, errors.Wrap(err, "cannot open the log")
	}
	if err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = l.lock.Close()
		return nil, errors.Errorf("cannot collect into %s: another collector does", path)
	}
	if err := l.open(); err != nil {
		_ = l.lock.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, logMode)
	if err != nil {
		return errors.Wrap(err, "cannot open the log")
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		_ = f.Close()
		return errors.Wrap(err, "cannot open the log")
	}
	l.file, l.size = f, size
	return l.endLine()
}

// endLine removes a partly written line: what was not acknowledged is sent again.
func (l *Log) endLine() error {
	whole, err := lastNewline(l.file, l.size)
	if err != nil || whole == l.size {
		return err
	}
	if err := l.file.Truncate(whole); err != nil {
		return errors.Wrap(err, "cannot take back a line of the log that was written in part")
	}
	l.size = whole
	return nil
}

// lastNewline returns the offset after the last newline before size.
func lastNewline(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		start := max(0, size-int64(len(buf)))
		n, err := f.ReadAt(buf[:size-start], start)
		if err != nil {
			return 0, errors.Wrap(err, "cannot read the end of the log")
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		size = start
	}
	return 0, nil
}

// Append writes whole lines at once, all or none of them.
func (l *Log) Append(lines []byte) error {
	if l.since += int64(len(lines)); l.keep != nil && l.since > keepEvery {
		if err := l.keepBeside(); err != nil {
			return err
		}
		l.since = 0
	}
	if l.most > 0 && l.size > 0 && l.size+int64(len(lines)) > l.most {
		if err := rotated.Rotate(l.path, os.Rename); err != nil {
			return errors.Wrap(err, "cannot set the log aside")
		}
		_ = l.file.Close()
		if err := l.open(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(lines)
	l.size += int64(n)
	if err != nil {
		err = errors.Wrap(err, "cannot write to the log")
		if back := l.endLine(); back != nil {
			return back
		}
		return err
	}
	return nil
}

// keepBeside stores the state of a source. The state refers to lines in the log, so the
// log has to be on the disk first.
func (l *Log) keepBeside() error {
	data, err := l.keep()
	if err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return errors.Wrap(err, "cannot sync the log")
	}
	return errors.WithMessage(wholefile.Write(l.path+keptSuffix, data), "cannot keep places")
}

// Kept returns what was last stored, nil if there is nothing.
func (l *Log) Kept() ([]byte, error) {
	data, err := os.ReadFile(l.path + keptSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, errors.Wrap(err, "cannot read places")
}

// Tail calls see with the lines from the newest on, until it returns false, for at most
// so many bytes. A line is valid during the call.
func (l *Log) Tail(most int64, see func(line []byte) bool) error {
	paths := []string{l.path}
	for n := 1; n <= rotated.Kept; n++ {
		paths = append(paths, rotated.Path(l.path, n))
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return errors.Wrap(err, "cannot read the log")
		}
		more, read, err := tailOf(f, most, see)
		_ = f.Close()
		if most -= read; err != nil || !more || most <= 0 {
			return err
		}
	}
	return nil
}

// tailOf is Tail for one file. It returns how much it has read.
func tailOf(f *os.File, most int64, see func(line []byte) bool) (more bool, read int64, err error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, 0, errors.Wrap(err, "cannot read the log")
	}
	if end, err = lastNewline(f, end); err != nil {
		return false, 0, err
	}
	var rest []byte // of a line that begins before what was read
	for end > 0 && read < most {
		start := max(0, end-256<<10)
		data := make([]byte, end-start, int(end-start)+len(rest))
		if _, err := f.ReadAt(data, start); err != nil {
			return false, read, errors.Wrap(err, "cannot read the log")
		}
		read += end - start
		end = start
		data = append(data, rest...)
		for {
			text := bytes.TrimSuffix(data, []byte{'\n'})
			i := bytes.LastIndexByte(text, '\n')
			if i < 0 && start > 0 {
				rest = data
				break
			}
			if len(text) > i+1 && !see(text[i+1:]) {
				return false, read, nil
			}
			if i < 0 {
				break
			}
			data = data[:i+1]
		}
	}
	return true, read, nil
}

// Close closes the log.
func (l *Log) Close() error {
	_ = l.lock.Close()
	return errors.Wrap(l.file.Close(), "cannot close the log")
}
