package logfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watcher tells when something happens to a path, by inotify on its directory,
// or on the nearest directory above that exists. Unlike the usual libraries it
// can be asked synchronously what has happened up to now, which is what proves
// that exactly one file took another's place.
type watcher struct {
	dir, base string
	file      *os.File // the inotify instance
	raw       syscall.RawConn

	mu      sync.Mutex
	watched map[int32]string // directories by watch descriptor
	armed   bool             // dir itself is watched
}

func newWatcher(path string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, errors.Wrap(err, "cannot watch the log: raise fs.inotify.max_user_instances")
	}
	w := &watcher{
		dir: filepath.Dir(path), base: filepath.Base(path),
		file: os.NewFile(uintptr(fd), "inotify"), watched: make(map[int32]string),
	}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, errors.Wrap(err, "cannot watch the log")
	}
	return w, nil
}

// The events that may mean that the log has changed, and those that mean so
// for a directory above.
const (
	watchLog = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
		unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchAbove = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF |
		unix.IN_ATTRIB | unix.IN_ONLYDIR
)

// arm makes sure that the directory of the log is watched, or as long as it is
// missing the nearest above.
func (w *watcher) arm() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armLocked()
}

func (w *watcher) armLocked() error {
	if w.armed {
		return nil
	}
	for wd := range w.watched {
		w.control(func(fd int) { _, _ = unix.InotifyRmWatch(fd, uint32(wd)) })
		delete(w.watched, wd)
	}
	for dir, mask := w.dir, uint32(watchLog); ; dir, mask = filepath.Dir(dir), watchAbove {
		var wd int
		var err error
		w.control(func(fd int) { wd, err = unix.InotifyAddWatch(fd, dir, mask) })
		if err == nil {
			w.watched[int32(wd)] = dir
			if dir == w.dir {
				w.armed = true
				return nil
			}
			// It may have come to be between the two calls.
			if _, err := os.Stat(w.dir); err != nil {
				return nil
			}
			dir, mask = w.dir, watchLog
			w.control(func(fd int) { wd, err = unix.InotifyAddWatch(fd, dir, mask) })
			if err == nil {
				w.watched[int32(wd)] = dir
				w.armed = true
				return nil
			}
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) || dir == filepath.Dir(dir) {
			return errors.Wrapf(err, "cannot watch the directory %s", dir)
		}
	}
}

func (w *watcher) control(f func(fd int)) {
	_ = w.raw.Control(func(fd uintptr) { f(int(fd)) })
}

// seen is what has happened since the last drain.
type seen struct {
	created  int  // files that appeared at the path
	overflow bool // some of it was not noted by the kernel
}

// drain returns what has happened up to now.
func (w *watcher) drain() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s seen
	var buf [16 << 10]byte
	for {
		var n int
		var err error
		w.control(func(fd int) { n, err = unix.Read(fd, buf[:]) })
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		w.parse(buf[:n], &s)
	}
	return s
}

func (w *watcher) parse(b []byte, s *seen) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b[0:]))
		mask := binary.NativeEndian.Uint32(b[4:])
		length := binary.NativeEndian.Uint32(b[12:])
		name := b[unix.SizeofInotifyEvent : unix.SizeofInotifyEvent+int(length)]
		b = b[unix.SizeofInotifyEvent+int(length):]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			s.overflow = true
		case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && w.watched[wd] == w.dir &&
			string(bytes.TrimRight(name, "\x00")) == w.base:
			s.created++
		}
		if mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0 || w.watched[wd] != w.dir {
			w.armed = false // another directory may now be the one to watch
		}
		if mask&unix.IN_IGNORED != 0 {
			delete(w.watched, wd)
		}
	}
}

// wait returns when something has happened that was not drained; false: the
// watcher was closed.
func (w *watcher) wait() bool {
	err := w.raw.Read(func(fd uintptr) bool {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		return err != nil || n > 0
	})
	return err == nil
}

func (w *watcher) close() { _ = w.file.Close() }
