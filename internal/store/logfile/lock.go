package logfile

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// DefaultLockTimeout bounds the wait for the lock of the log. Podman holds it for one
// write; a process that holds it longer has stopped, and would block us for ever.
const DefaultLockTimeout = 5 * time.Second

// errLocked is returned when the lock could not be taken in time.
var errLocked = errors.New("cannot lock the log: another process has held its lock file for too long; " +
	"look for a stopped podman process")

// fileLock is the lock that Podman's writers take: a POSIX write lock on the
// whole of the lock file. It is taken here as an open file description lock,
// which excludes those of Podman and is not lost when another descriptor of the
// file is closed.
type fileLock struct {
	disk disk
	path string

	mu      sync.Mutex
	file    *os.File
	id      fileID    // of file
	waiting *lockWait // a wait for the lock on file, nil if there is none
}

// lockWait is a wait for the lock in the kernel, which is fair to Podman's waits. It
// cannot be interrupted: one that outlives its caller is left to the next caller, and
// if it gets the lock while there is no caller, it gives it back at once.
type lockWait struct {
	file *os.File
	id   fileID
	done chan struct{} // closed when it is over and its caller still waits
	// guarded by fileLock.mu
	err    error
	wanted bool
	last   bool // no caller wants it any more: the file is to be closed
}

func newFileLock(d disk, path string) *fileLock { return &fileLock{disk: d, path: path} }

// lock takes the lock, or gives up at the deadline, when the context is done or
// the channel is closed. It is called by one goroutine at a time.
func (l *fileLock) lock(ctx context.Context, deadline time.Time, closing <-chan struct{}) error {
	var timer *time.Timer // only if it has to wait
	for {
		w, err := l.try()
		if w == nil || err != nil {
			return err
		}
		if timer == nil {
			timer = time.NewTimer(time.Until(deadline))
			defer timer.Stop()
		}
		select {
		case <-w.done:
		case <-timer.C:
			err = errLocked
		case <-ctx.Done():
			err = ctx.Err()
		case <-closing:
			err = errClosed
		}
		if again, err := l.finish(w, err); !again {
			return err
		}
	}
}

// take takes the lock on the open file if it is free.
func (l *fileLock) take() (locked bool, err error) {
	err = l.disk.lock(l.file, unix.F_OFD_SETLK, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, errors.Wrap(err, "cannot lock the log")
}

// try takes the lock if it is free; otherwise it returns a wait for it.
func (l *fileLock) try() (*lockWait, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return nil, err
	}
	if l.waiting == nil {
		if locked, err := l.take(); locked || err != nil {
			return nil, err
		}
		l.waiting = &lockWait{file: l.file, id: l.id, done: make(chan struct{})}
		go l.wait(l.waiting)
	}
	l.waiting.wanted = true
	return l.waiting, nil
}

// wait waits in the kernel until it has the lock.
func (l *fileLock) wait(w *lockWait) {
	err := l.disk.lock(w.file, unix.F_OFD_SETLKW, unix.F_WRLCK)
	l.mu.Lock()
	defer l.mu.Unlock()
	w.err = err
	if w.wanted {
		close(w.done)
		return
	}
	if l.waiting == w {
		l.waiting = nil
	}
	if w.last {
		_ = w.file.Close()
	} else {
		l.free()
	}
}

// finish ends a wait. gave is why the caller gave up, nil if the wait is over. again is
// true if the locked file is no longer the lock file.
func (l *fileLock) finish(w *lockWait, gave error) (again bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.done: // it got the lock, if only just now
	default:
		w.wanted = false
		return false, gave
	}
	l.waiting = nil
	if w.err != nil {
		return false, errors.Wrap(w.err, "cannot lock the log")
	}
	if gave == nil && !l.isAtPath(w.id) {
		l.free()
		return true, nil
	}
	return false, nil
}

// unlock releases the lock.
func (l *fileLock) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free()
}

func (l *fileLock) free() {
	if l.file == nil {
		return
	}
	if err := l.disk.lock(l.file, unix.F_OFD_SETLK, unix.F_UNLCK); err != nil {
		_ = l.file.Close() // which releases the lock whatever happens
		l.file = nil
	}
}

// open opens the lock file, or reopens it if it was replaced.
func (l *fileLock) open() error {
	if l.file != nil && l.isAtPath(l.id) {
		return nil
	}
	l.leave()
	f, err := l.disk.open(l.path, unix.O_RDWR|unix.O_CREAT, lockMode)
	if err != nil {
		return errors.Wrap(err, "cannot open the lock file of the log"+advice(err))
	}
	id, _, err := l.disk.of(f)
	if err != nil {
		_ = f.Close()
		return errors.Wrap(err, "cannot open the lock file of the log"+advice(err))
	}
	l.file, l.id = f, id
	return nil
}

// isAtPath reports whether the file is still the one that other writers lock.
func (l *fileLock) isAtPath(id fileID) bool {
	now, _, err := l.disk.at(l.path)
	return err == nil && now == id
}

// leave closes the lock file, after any wait for its lock is over.
func (l *fileLock) leave() {
	file, w := l.file, l.waiting
	l.file, l.waiting = nil, nil
	if w != nil {
		select {
		case <-w.done:
		default:
			w.wanted, w.last = false, true
			return
		}
	}
	if file != nil {
		_ = file.Close()
	}
}

// lockMode is the mode of a lock file created here. Podman makes its own readable to
// all, and so any user who can reach it can take a shared lock, which blocks every
// writer.
const lockMode = 0o600

func lockFile(f *os.File, cmd int, kind int16) error {
	return retry(func() error { return unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: kind, Whence: 0}) })
}

// close releases the lock and closes its file.
func (l *fileLock) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave()
}
