package logfile

import (
	"os"
	"path/filepath"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
)

// The modes of what is created: those of Podman 5, which reads and writes as
// the same user only.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// write writes the jobs in one go, with the lock of the log, which it gives
// back.
func (s *Store) write(jobs []*appendJob) {
	s.mu.Lock()
	stored, err := s.writeLocked(jobs)
	s.lock.unlock()
	if len(stored) > 0 {
		s.collect(stored)
	}
	if err == nil {
		s.setWriteFault(nil)
	}
	s.mu.Unlock()
	if len(stored) > 0 {
		// Nobody waits for the disk but those who were promised that.
		if syncErr := s.syncWritten(); syncErr != nil {
			stored, err = nil, syncErr
		}
	}
	if err != nil {
		s.fail(jobs[len(stored):], err)
	}
}

// fail tells the callers what kept their events from being written.
func (s *Store) fail(jobs []*appendJob, err error) {
	failed := false
	for _, j := range jobs {
		if j.err == nil {
			j.err = &events.UnavailableError{Backend: events.LogFile, Reason: err.Error()}
			failed = true
		}
	}
	if failed {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.lookLocked() // what others wrote before proves nothing
		s.setWriteFault(err)
	}
}

// writeLocked writes the lines of the jobs at the end of the log, and returns
// the jobs whose lines are there: all, or the first of them. It is called with
// the lock of the log held, so that nobody rotates it meanwhile.
func (s *Store) writeLocked(jobs []*appendJob) (stored []*appendJob, err error) {
	total := lengthOf(jobs)
	size, err := s.openForAppend()
	if err != nil {
		return nil, err
	}
	// What was written up to now is read before the file gets another name. If
	// it cannot be now, the file goes on to be the log.
	if s.maxSeg > 0 && size > 0 && size+int64(total) > s.maxSeg && s.lookLocked() == nil {
		if err := s.setAside(); err != nil {
			return nil, err
		}
		if size, err = s.openForAppend(); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, total+1)
	if torn, err := s.isTorn(size); err != nil {
		return nil, err
	} else if torn {
		out = append(out, '\n') // the fragment gets a line of its own
	}
	kept := len(out)
	for _, j := range jobs {
		out = append(out, j.lines...)
	}
	n, err := s.writeWhole(out, size)
	s.appends.note(out, size, err)
	s.ownFile, s.ownEnd = s.appends.id, size+int64(n)
	for i, j := range jobs {
		if kept += len(j.lines); kept > n {
			return jobs[:i], err
		}
	}
	return jobs, err
}

// openForAppend opens the log that is at the path now, and returns its size.
func (s *Store) openForAppend() (int64, error) {
	q := &s.appends
	id, stat, err := s.disk.at(s.path)
	if err == nil && q.file != nil && id == q.id {
		q.modified = modified(&stat)
		return int64(stat.Size), nil
	}
	create := errors.Is(err, os.ErrNotExist)
	if q.file != nil {
		s.syncFormer(q.file)
		q.file = nil
	}
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT
	f, err := s.disk.open(s.path, flags, fileMode)
	if errors.Is(err, os.ErrNotExist) { // a link leads to a directory that is not there
		if err := s.makeDir(); err != nil {
			return 0, err
		}
		f, err = s.disk.open(s.path, flags, fileMode)
	}
	if err != nil {
		return 0, errors.Wrap(err, "cannot open the log for writing"+advice(err))
	}
	if id, stat, err = s.disk.of(f); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNoFile
	}
	if err != nil {
		_ = f.Close()
		return 0, errors.Wrapf(err, "cannot open the log %s for writing", s.path)
	}
	if create {
		s.syncNames()
	}
	q.file, q.id, q.modified = f, id, modified(&stat)
	return int64(stat.Size), nil
}

// closeAppended closes the file that was appended to, when there is no leader
// any more, and makes durable what is not.
func (s *Store) closeAppended() error {
	q := &s.appends
	err := s.syncNow()
	if q.file == nil {
		return err
	}
	_ = q.file.Close()
	q.file = nil
	return err
}

// makeDir makes the directory of the log.
func (s *Store) makeDir() error {
	return errors.Wrap(s.disk.mkdir(filepath.Dir(s.path)), "cannot create the directory of the log")
}

// isTorn reports whether the last line of the log was left unfinished.
func (s *Store) isTorn(size int64) (bool, error) {
	if size == 0 || s.knowsEnd(s.appends.id, size, s.appends.modified) {
		return false, nil
	}
	var last [1]byte
	if _, err := s.disk.readAt(s.appends.file, last[:], size-1); err != nil {
		return false, errors.Wrap(err, "cannot read the end of the log")
	}
	return last[0] != '\n', nil
}

// writeWhole writes all or nothing: what a full disk lets through of a write is
// taken back, unless somebody who does not heed the lock has written after it.
// It returns how much stays.
func (s *Store) writeWhole(out []byte, size int64) (int, error) {
	n, err := s.disk.write(s.appends.file, out)
	if err == nil {
		return n, nil
	}
	err = errors.Wrap(err, "cannot write to the log"+advice(err))
	if n == 0 {
		return 0, err
	}
	_, stat, cutErr := s.disk.of(s.appends.file)
	if cutErr == nil && int64(stat.Size) == size+int64(n) {
		if cutErr = s.disk.truncate(s.appends.file, size); cutErr == nil {
			return 0, err
		}
	}
	s.log.Error("cannot take back a line that was written in part", "path", s.path, "error", cutErr)
	return n, err
}

// advice says what to do about an error of the file system, where that is known.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room on its file system"
	case errors.Is(err, unix.EROFS):
		return "; mount its file system for writing, or let the unit write to its directory (ReadWritePaths=) and restart it"
	case errors.Is(err, unix.EIO):
		return "; look into the log of the kernel for what fails below it"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "; raise the limit of open files (LimitNOFILE= in the unit)"
	}
	return ""
}
