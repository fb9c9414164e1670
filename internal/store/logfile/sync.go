package logfile

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// Sync says when events that are written outlive a failure of the power, or of
// the kernel. A daemon that is killed loses nothing that it acknowledged,
// whatever it is.
type Sync int

const (
	// SyncNever leaves it to the kernel, which writes to the disk within about
	// half a minute. It is what Podman does.
	SyncNever Sync = iota
	// SyncInterval is at most SyncPeriod after the event was acknowledged.
	SyncInterval
	// SyncAlways is before the event is acknowledged. Events that are written
	// at the same time share the wait.
	SyncAlways
)

// SyncPeriod is the longest time between an acknowledgement and what makes the
// event outlive a power failure, with SyncInterval and a disk that is quick. It
// is as long as people wait before they call something slow.
const SyncPeriod = time.Second

var syncWords = [...]string{SyncNever: "never", SyncInterval: "interval", SyncAlways: "always"}

// String returns the word that ParseSync takes.
func (m Sync) String() string { return syncWords[m] }

// ParseSync understands never, interval and always.
func ParseSync(word string) (Sync, error) {
	for mode, known := range syncWords {
		if word == known {
			return Sync(mode), nil
		}
	}
	return SyncNever, errors.Errorf("cannot sync %q: give always, interval or never", word)
}

// syncs is what has still to be made durable. It is noted under the locks of the
// store and of the log, and done under neither: a slow disk holds up only those
// who were promised that it is waited for.
type syncs struct {
	mode Sync

	doing sync.Mutex // held while the disk is waited for

	mu     sync.Mutex
	todo   undurable
	due    *time.Timer // does it, nil: somebody else will
	failed error       // what the last try failed with
}

// undurable are files and names that may not outlive a power failure.
type undurable struct {
	written *os.File // what was appended to it
	// former are files that were appended to, and are to be closed: the newest
	// of those that are kept aside.
	former []formerFile
	// successor took the place of a file of the log. Each takes the place of
	// the one before here, too.
	successor *generation
	names     bool // in the directory of the log
}

type formerFile struct {
	*os.File
	isDirty bool
}

func (u *undurable) isNothing() bool {
	return u.written == nil && len(u.former) == 0 && u.successor == nil && !u.names
}

func (y *syncs) fault() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.failed == nil {
		return ""
	}
	return y.failed.Error()
}

// dueLocked makes sure that what there is to do is done after a time.
func (s *Store) dueLocked(after time.Duration) {
	y := &s.syncs
	switch {
	case y.due == nil:
		y.due = time.AfterFunc(after, func() { _ = s.syncNow() })
	case after == 0:
		y.due.Reset(0)
	}
}

// syncWritten is called by the leader when it has written. It returns when that
// is as durable as was asked for.
func (s *Store) syncWritten() error {
	y := &s.syncs
	if y.mode == SyncNever {
		return nil
	}
	y.mu.Lock()
	y.todo.written = s.appends.file
	if y.mode == SyncInterval {
		s.dueLocked(SyncPeriod)
		y.mu.Unlock()
		return nil
	}
	y.mu.Unlock()
	return s.syncNow()
}

// syncNow makes durable what is not yet. The error is what may have become of
// the file that is written to and of its name; what is wrong with others, too,
// is in the status.
func (s *Store) syncNow() error {
	y := &s.syncs
	y.doing.Lock()
	defer y.doing.Unlock()
	y.mu.Lock()
	todo := y.todo
	y.todo = undurable{}
	if y.due != nil {
		y.due.Stop()
		y.due = nil
	}
	y.mu.Unlock()
	if todo.isNothing() {
		return nil
	}
	err, other := s.syncAll(&todo)
	if todo.successor != nil {
		s.mu.Lock()
		s.release(todo.successor)
		s.mu.Unlock()
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	// Who writes next is told again that there may be no name for it.
	y.todo.names = y.todo.names || todo.names
	failed := err
	if failed == nil {
		failed = other
	}
	switch {
	case failed == nil && y.failed != nil:
		s.log.Info("events outlive a power failure again", "path", s.path)
	case failed != nil && (y.failed == nil || y.failed.Error() != failed.Error()):
		s.log.Error("cannot sync the log", "path", s.path, "error", failed)
	}
	y.failed = failed
	return err
}

// syncAll waits for the disk. The first error is of what is written to, the
// second of others. Names that are durable are no longer to do.
func (s *Store) syncAll(todo *undurable) (err, other error) {
	for _, f := range todo.former {
		if f.isDirty {
			other = unconfirmed(s.disk.sync(f.File), other)
		}
		_ = f.Close()
	}
	if todo.successor != nil {
		other = unconfirmed(s.disk.sync(todo.successor.f), other)
	}
	if todo.written != nil {
		err = unconfirmed(s.disk.sync(todo.written), nil)
	}
	if todo.names {
		failed := s.disk.syncNames(filepath.Dir(s.path))
		err, todo.names = unconfirmed(failed, err), failed != nil
	}
	return err, other
}

// unconfirmed says what it means that the disk does not confirm something,
// unless there is an error already.
func unconfirmed(err, before error) error {
	if err == nil || before != nil {
		return before
	}
	return errors.Wrap(err, "cannot make sure that events outlive a power failure: they are in the log, and the disk "+
		"does not confirm them"+advice(err))
}

// syncNames makes the names of the log's files durable, at the next sync.
func (s *Store) syncNames() {
	if s.syncs.mode == SyncNever {
		return
	}
	s.syncs.mu.Lock()
	defer s.syncs.mu.Unlock()
	s.syncs.todo.names = true
	s.dueLocked(SyncPeriod)
}

// syncFormer makes durable what was written to the file that was appended to up
// to now, and closes it.
func (s *Store) syncFormer(f *os.File) {
	y := &s.syncs
	if y.mode == SyncNever {
		_ = f.Close()
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.todo.former = append(y.todo.former, formerFile{f, y.todo.written == f})
	if y.todo.written == f {
		y.todo.written = nil
	}
	if len(y.todo.former) > keptSegments { // the disk is slower than the log is rotated, and that file is gone
		_ = y.todo.former[0].Close()
		y.todo.former = y.todo.former[1:]
	}
	s.dueLocked(SyncPeriod)
}

// syncSuccessor makes a file durable, soon, that took the place of another, to
// which events may have been written here, now or before a restart: Podman's
// rotation copies them, and syncs nothing.
func (s *Store) syncSuccessor(g *generation) {
	y := &s.syncs
	if y.mode == SyncNever {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.todo.successor != nil {
		s.release(y.todo.successor)
	}
	g.refs++
	y.todo.successor, y.todo.names = g, true
	s.dueLocked(0)
}
