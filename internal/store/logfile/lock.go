package logfile

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// DefaultLockTimeout bounds the wait for the lock of the log. Podman holds it
// for one write; who holds it longer is stopped, and would block us for ever.
const DefaultLockTimeout = 5 * time.Second

// errLocked is returned when the lock was not to be had in time.
var errLocked = errors.New("cannot lock the log: another process has held its lock file for too long; " +
	"look for a stopped podman process")

// fileLock is the lock that Podman's writers take: a POSIX write lock on the
// whole of the lock file. It is taken here as an open file description lock,
// which excludes those of Podman and is not lost when another descriptor of the
// file is closed.
type fileLock struct {
	path    string
	timeout time.Duration

	mu     sync.Mutex // guards file and serializes those who lock
	file   *os.File
	waiter chan error // of a wait that has outlived those who began it, nil if none
}

func newFileLock(path string, timeout time.Duration) *fileLock {
	return &fileLock{path: path, timeout: timeout}
}

// lock takes the lock, or gives up at the deadline or when the context is done.
// It is called by one goroutine at a time.
func (l *fileLock) lock(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return err
	}
	if l.waiter == nil {
		err := l.fcntl(unix.F_OFD_SETLK, unix.F_WRLCK)
		if err == nil || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return errors.Wrap(err, "cannot lock the log")
		}
		l.wait()
	}
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case err := <-l.waiter:
		l.waiter = nil
		return errors.Wrap(err, "cannot lock the log")
	case <-timer.C:
		return errLocked
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait begins a wait for the lock in the kernel, fair to Podman's. It cannot be
// interrupted: one that outlives its caller is left for the next, and there is
// never more than one.
func (l *fileLock) wait() {
	waiter := make(chan error, 1)
	l.waiter = waiter
	f := l.file
	go func() { waiter <- lockFile(f, unix.F_OFD_SETLKW, unix.F_WRLCK) }()
}

// unlock gives the lock back.
func (l *fileLock) unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	if err := l.fcntl(unix.F_OFD_SETLK, unix.F_UNLCK); err != nil {
		_ = l.file.Close() // frees it whatever happens
		l.file = nil
	}
}

// giveBack frees the lock if a wait that nobody is interested in any more has
// got it.
func (l *fileLock) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiter == nil {
		return
	}
	f, waiter := l.file, l.waiter
	l.file, l.waiter = nil, nil
	go func() { // frees the lock by closing its descriptor as soon as it has it
		<-waiter //nolint:errcheck // whatever it says, the descriptor is closed
		_ = f.Close()
	}()
}

// open opens the lock file, anew if it was replaced.
func (l *fileLock) open() error {
	if l.file != nil {
		id, _, err := identify(unix.AT_FDCWD, l.path)
		own, _, ownErr := identify(int(l.file.Fd()), "")
		if err == nil && ownErr == nil && id == own || l.waiter != nil {
			return nil
		}
		_ = l.file.Close()
		l.file = nil
	}
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, lockMode)
	if err != nil {
		return errors.Wrap(err, "cannot open the lock file of the log")
	}
	l.file = f
	return nil
}

// lockMode is the mode of the lock file, as Podman's storage library creates it.
const lockMode = 0o644

func (l *fileLock) fcntl(cmd int, kind int16) error { return lockFile(l.file, cmd, kind) }

func lockFile(f *os.File, cmd int, kind int16) error {
	for {
		err := unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: kind, Whence: 0})
		if err != unix.EINTR {
			return err
		}
	}
}

func (l *fileLock) close() {
	l.giveBack()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}
