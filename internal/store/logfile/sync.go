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

// syncs is what has still to be made durable.
type syncs struct {
	mode Sync

	doing sync.Mutex // held while the disk is waited for

	mu     sync.Mutex
	dirty  *os.File // what was written to it is not durable yet
	due    *time.Timer
	failed error // what the last try failed with
}

func (y *syncs) fault() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.failed == nil {
		return ""
	}
	return y.failed.Error()
}

// syncWritten is called by the leader when it has written. It returns when that
// is as durable as was asked for.
func (s *Store) syncWritten() error {
	y := &s.syncs
	if y.mode == SyncNever {
		return nil
	}
	y.mu.Lock()
	first := y.dirty == nil
	y.dirty = s.appends.file
	if first && y.mode == SyncInterval {
		y.due = time.AfterFunc(SyncPeriod, func() { _ = s.syncNow() })
	}
	y.mu.Unlock()
	if y.mode == SyncInterval {
		return nil
	}
	return s.syncNow()
}

// syncNow makes durable what is not yet.
func (s *Store) syncNow() error {
	y := &s.syncs
	y.doing.Lock()
	defer y.doing.Unlock()
	y.mu.Lock()
	file := y.dirty
	y.dirty = nil
	if y.due != nil {
		y.due.Stop()
	}
	y.mu.Unlock()
	if file == nil {
		return nil
	}
	err := s.disk.sync(file)
	if err != nil {
		err = errors.Wrap(err, "cannot make sure that events outlive a power failure: they are in the log, and the disk "+
			"does not confirm them"+advice(err))
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	switch {
	case err == nil && y.failed != nil:
		s.log.Info("events outlive a power failure again", "path", s.path)
	case err != nil && (y.failed == nil || y.failed.Error() != err.Error()):
		s.log.Error("cannot sync the log", "path", s.path, "error", err)
	}
	y.failed = err
	return err
}

// syncNames makes the names of the log's files durable.
func (s *Store) syncNames() error {
	if s.syncs.mode == SyncNever {
		return nil
	}
	return errors.Wrap(s.disk.syncNames(filepath.Dir(s.path)), "cannot make sure that the log outlives a power failure")
}

// syncSuccessor makes a file durable that took the place of another, to which
// events may have been written here, now or before a restart: Podman's rotation
// copies them, and syncs nothing.
func (s *Store) syncSuccessor(g *generation) {
	if s.syncs.mode == SyncNever {
		return
	}
	err := s.disk.sync(g.f)
	if err == nil {
		err = s.syncNames()
	}
	if err != nil {
		s.log.Error("cannot sync the log that took the place of the last", "path", s.path, "error", err)
		s.syncs.mu.Lock()
		s.syncs.failed = errors.Wrap(err, "cannot make sure that events outlive a power failure")
		s.syncs.mu.Unlock()
	}
}
