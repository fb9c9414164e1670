package varlinkwire

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// lockPlace keeps other services from making a socket at the path meanwhile. Without
// it, of two that start at the same time, one could find the other's socket between
// bind and listen. The lock is on a file beside the socket that no other user can open;
// the directory could be locked by any user who may read it.
func lockPlace(path string) (unlock func(), err error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock")
	for deadline := time.Now().Add(limits.ListenLock); ; {
		file, err := tryLock(name)
		if err == nil {
			return func() {
				_ = os.Remove(name) // before it is unlocked, so that no other process has it locked
				_ = file.Close()
			}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, errors.Errorf("another process has locked %s for %v; find it with 'lslocks' and stop it", name, limits.ListenLock)
		}
		const pause = 10 * time.Millisecond
		time.Sleep(pause)
	}
}

// tryLock locks a file of ours. The error is unix.EWOULDBLOCK if another process has it
// locked, or has just removed it.
func tryLock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, errors.Wrap(err, "cannot lock the place of the socket")
	}
	locked := false
	defer func() {
		if !locked {
			_ = file.Close()
		}
	}()
	var st, now unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, errors.Wrap(err, "cannot lock the place of the socket")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || fs.FileMode(st.Mode).Perm()&0o077 != 0 {
		return nil, errors.Errorf("cannot lock the place of the socket: %s is not a file that only this user can open; remove it", name)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Wrapf(err, "cannot lock %s", name)
	}
	if err := unix.Lstat(name, &now); err != nil || now.Ino != st.Ino || now.Dev != st.Dev {
		return nil, unix.EWOULDBLOCK
	}
	locked = true
	return file, nil
}
