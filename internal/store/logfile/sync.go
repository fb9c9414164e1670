package logfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/rotated"
)

// Sync says when written events survive a failure of the power or the kernel. Killing
// the daemon loses no acknowledged event, whatever the setting.
type Sync int

const (
	// SyncNever leaves it to the kernel, which writes to the disk within about half a
	// minute, as Podman does.
	SyncNever Sync = iota
	// SyncInterval is at most SyncPeriod after the event was acknowledged.
	SyncInterval
	// SyncAlways is before the event is acknowledged. Events written at the same time
	// share the wait.
	SyncAlways
)

// SyncPeriod is the longest time between acknowledging an event and making it durable,
// with SyncInterval and a disk that is fast enough. It is about as long as people wait
// before they call something slow.
const SyncPeriod = time.Second

var syncWords = [...]string{SyncNever: "never", SyncInterval: "interval", SyncAlways: "always"}

// String returns the word that ParseSync takes.
func (m Sync) String() string { return syncWords[m] }

// ParseSync parses never, interval and always.
func ParseSync(word string) (Sync, error) {
	for mode, known := range syncWords {
		if word == known {
			return Sync(mode), nil
		}
	}
	return SyncNever, errors.Errorf("must be always, interval or never, not %q", word)
}

// syncer makes durable what was written. Work is queued under the locks of the follower
// and of the log, and done under neither: a slow disk delays only callers that asked to
// wait for it.
type syncer struct {
	mode  Sync
	path  string
	disk  disk
	log   *slog.Logger
	chain *chain

	doing sync.Mutex // held while waiting for the disk

	mu     sync.Mutex
	todo   undurable
	due    *time.Timer // runs now later, nil: a caller will
	failed error       // why the last try failed
}

// undurable is the files and names that may not survive a power failure.
type undurable struct {
	written *os.File // the file last appended to
	// former are files that were appended to, and are then to be closed: the newest of
	// those set aside.
	former []formerFile
	// successor replaced a file of the log. Each replaces the one before in this field,
	// too.
	successor *generation
	names     bool // in the log's directory
}

type formerFile struct {
	*os.File
	isDirty bool
}

func (u *undurable) isNothing() bool {
	return u.written == nil && len(u.former) == 0 && u.successor == nil && !u.names
}

func (y *syncer) fault() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.failed == nil {
		return ""
	}
	return y.failed.Error()
}

// dueLocked schedules the work, at the latest after that time.
func (y *syncer) dueLocked(after time.Duration) {
	switch {
	case y.due == nil:
		y.due = time.AfterFunc(after, func() { _ = y.now() })
	case after == 0:
		y.due.Reset(0)
	}
}

// syncWritten is called after a write to the file. It returns when the write is as
// durable as was asked for.
func (y *syncer) syncWritten(f *os.File) error {
	if y.mode == SyncNever {
		return nil
	}
	y.mu.Lock()
	y.todo.written = f
	if y.mode == SyncInterval {
		y.dueLocked(SyncPeriod)
		y.mu.Unlock()
		return nil
	}
	y.mu.Unlock()
	return y.now()
}

// now makes everything durable. The error concerns the file being written and its name;
// errors of other files appear in the status only.
func (y *syncer) now() error {
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
	err, other := y.syncAll(&todo)
	if todo.successor != nil {
		y.chain.release(todo.successor)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	// The next writer gets the error again: the file that holds its event may have no
	// name on the disk.
	y.todo.names = y.todo.names || todo.names
	failed := err
	if failed == nil {
		failed = other
	}
	switch {
	case failed == nil && y.failed != nil:
		y.log.Info("events survive a power failure again", messageid.Recovered, "path", y.path)
	case failed != nil && (y.failed == nil || y.failed.Error() != failed.Error()):
		y.log.Error("cannot sync the log", messageid.Fault, "path", y.path, "error", failed)
	}
	y.failed = failed
	return err
}

// syncAll waits for the disk. The first error concerns the file being written, the
// second other files. It removes names from the work once they are durable.
func (y *syncer) syncAll(todo *undurable) (err, other error) {
	for _, f := range todo.former {
		if f.isDirty {
			other = unconfirmed(y.disk.sync(f.File), other)
		}
		_ = f.Close()
	}
	if todo.successor != nil {
		other = unconfirmed(y.disk.sync(todo.successor.f), other)
	}
	if todo.written != nil {
		err = unconfirmed(y.disk.sync(todo.written), nil)
	}
	if todo.names {
		failed := y.disk.syncNames(filepath.Dir(y.path))
		err, todo.names = unconfirmed(failed, err), failed != nil
	}
	return err, other
}

// unconfirmed says what it means that the disk did not confirm something, unless there
// is an error already.
func unconfirmed(err, before error) error {
	if err == nil || before != nil {
		return before
	}
	return errors.Wrap(err, "cannot make sure that events survive a power failure: they are in the log, and the disk "+
		"does not confirm them"+advice(err))
}

// syncNames makes the names of the log's files durable, at the next sync.
func (y *syncer) syncNames() {
	if y.mode == SyncNever {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.todo.names = true
	y.dueLocked(SyncPeriod)
}

// former makes durable what was written to the previous file, and closes it.
func (y *syncer) former(f *os.File) {
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
	if len(y.todo.former) > rotated.Kept { // the disk is slower than rotation, and the oldest file is gone
		_ = y.todo.former[0].Close()
		y.todo.former = y.todo.former[1:]
	}
	y.dueLocked(SyncPeriod)
}

// syncSuccessor soon makes a file durable that replaced another, to which events may
// have been written here, now or before a restart: Podman's rotation copies them
// without a sync.
func (y *syncer) syncSuccessor(g *generation) {
	if y.mode == SyncNever {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.todo.successor != nil {
		y.chain.release(y.todo.successor)
	}
	y.chain.retain(g)
	y.todo.successor, y.todo.names = g, true
	y.dueLocked(0)
}
