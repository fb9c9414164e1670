package logfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watcher tells when something happens to a path, by inotify on its directory,
// or on the nearest directory above that exists. Unlike the usual libraries it
// can be asked synchronously what has happened up to now, which is what proves
// that exactly one file took another's place.
type watcher struct {
	dir, base string
	mask      uint32 // of what is wanted to be known of dir
	fd        int    // the inotify instance
	disk      disk
	stop      int // an eventfd that ends wait

	mu      sync.Mutex
	watched map[int32]string // directories by watch descriptor
	armed   bool             // dir itself is watched
	closed  bool
}

// What is wanted to be known of the directory of the log: the coming and going
// of names, what is written, and, for a directory above, whether the one below
// comes to be.
const (
	watchNames = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchWrites = unix.IN_MODIFY | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchAbove  = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF |
		unix.IN_ATTRIB | unix.IN_ONLYDIR
)

func newWatcher(d disk, path string, mask uint32) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, errors.Wrap(err, "cannot watch the log: raise fs.inotify.max_user_instances")
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, errors.Wrap(err, "cannot watch the log")
	}
	return &watcher{
		dir: filepath.Dir(path), base: filepath.Base(path), mask: mask, fd: fd, disk: d, stop: stop,
		watched: make(map[int32]string),
	}, nil
}

// arm makes sure that the directory of the log is watched, or as long as it is
// missing the nearest above.
func (w *watcher) arm() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armLocked()
}

func (w *watcher) armLocked() error {
	if w.armed || w.closed {
		return nil
	}
	for watched := ""; ; {
		// Watching again what is watched already leaves no gap.
		wd, err := w.disk.watch(w.fd, w.dir, w.mask)
		if err == nil {
			w.keepOnly(int32(wd), w.dir)
			w.armed = true
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return errors.Wrapf(err, "cannot watch the directory %s", w.dir)
		}
		above := w.dir
		for err != nil {
			if above == filepath.Dir(above) {
				return errors.Wrapf(err, "cannot watch the directory %s", above)
			}
			above = filepath.Dir(above)
			wd, err = w.disk.watch(w.fd, above, watchAbove)
		}
		w.keepOnly(int32(wd), above)
		if above == watched { // nothing nearer came to be before it was watched
			return nil
		}
		watched = above
	}
}

// doubt has the directory watched anew, should it be another by now.
func (w *watcher) doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
}

// keepOnly gives up all watches but one.
func (w *watcher) keepOnly(keep int32, dir string) {
	for wd := range w.watched {
		if wd != keep {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
			delete(w.watched, wd)
		}
	}
	w.watched[keep] = dir
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
		if w.closed {
			break
		}
		n, err := unix.Read(w.fd, buf[:])
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
		if mask&unix.IN_Q_OVERFLOW != 0 {
			s.overflow = true
			continue
		}
		dir, known := w.watched[wd]
		if !known { // of a watch that was given up
			continue
		}
		if mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && dir == w.dir &&
			string(bytes.TrimRight(name, "\x00")) == w.base {
			s.created++
		}
		if mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0 || dir != w.dir {
			w.armed = false // another directory may now be the one to watch
		}
	}
}

// wait returns when something has happened that was not drained; false: the
// watcher is to be closed. It blocks in the kernel, not in the scheduler of Go,
// whose threads may all be busy.
func (w *watcher) wait() bool {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || fds[1].Revents != 0:
			return false
		case fds[0].Revents != 0:
			return true
		}
	}
}

// interrupt ends wait for good.
func (w *watcher) interrupt() { _, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// close frees the watcher. Nobody may be waiting any more.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		_ = unix.Close(w.fd)
		_ = unix.Close(w.stop)
	}
}
