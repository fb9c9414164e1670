package logfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watcher tells when something happens to a path, by inotify on its directory,
// and while there is no file at the path, on all directories above. Unlike the
// usual libraries it can be asked synchronously what has happened up to now,
// which is what proves that exactly one file took another's place.
type watcher struct {
	dir, base string
	mask      uint32 // of what is wanted to be known of dir
	fd        int    // the inotify instance
	disk      disk
	stop      int // an eventfd that ends wait
	poke      int // an eventfd that ends wait once

	mu      sync.Mutex
	buf     []byte        // memory for drain: on the stack of every goroutine that looks it would stay
	watched map[int32]way // by watch descriptor
	armed   bool          // all is watched that has to be
	above   bool          // and so are the directories above
	blind   bool          // but for some of them
	closed  bool
}

// way is a directory that is watched, and where it leads.
type way struct {
	path string
	// child is the name in it that leads to the log.
	child string
}

// What is wanted to be known of the directory of the log: the coming and going
// of names, what is written, and, for a directory above, whether the way to the
// log comes and goes.
const (
	watchNames = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchWrites = unix.IN_MODIFY | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchAbove  = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ATTRIB | unix.IN_ONLYDIR
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
	poke, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		_ = unix.Close(stop)
		return nil, errors.Wrap(err, "cannot watch the log")
	}
	return &watcher{
		dir: filepath.Dir(path), base: filepath.Base(path), mask: mask, fd: fd, disk: d, stop: stop, poke: poke,
		buf: make([]byte, 16<<10), watched: make(map[int32]way),
	}, nil
}

// arm makes sure that the directory of the log is watched if it is there. blind
// tells that a directory above could not be watched, for want of the right to
// read it: then the way to the log may come to be without a word.
//
// above has the directories above watched too, which is for as long as there is
// no file at the path: a directory that is deleted while a file of it is held
// open says nothing of its end, but the one above does.
func (w *watcher) arm(above bool) (blind bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.armed && w.above == above {
		return w.blind, nil
	}
	// Watching again what is watched already leaves no gap.
	keep := make(map[int32]way)
	if above {
		// From the root down: what comes to be behind a directory's turn is told.
		blind, err = w.watchAbove(keep)
	}
	if err == nil {
		err = w.watchDir(keep)
	}
	if err != nil {
		return blind, errors.Wrapf(err, "cannot watch the directory %s", w.dir)
	}
	w.keepOnly(keep)
	w.armed, w.above, w.blind = above || len(keep) > 0, above, blind
	return blind, nil
}

func (w *watcher) watchDir(keep map[int32]way) error {
	wd, err := w.disk.watch(w.fd, w.dir, w.mask)
	if isMissing(err) {
		return nil
	}
	if err == nil {
		keep[int32(wd)] = way{path: w.dir, child: w.base}
	}
	return err
}

func (w *watcher) watchAbove(keep map[int32]way) (blind bool, err error) {
	var ways []way
	for dir := w.dir; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		ways = append(ways, way{path: filepath.Dir(dir), child: filepath.Base(dir)})
	}
	for _, on := range slices.Backward(ways) {
		wd, err := w.disk.watch(w.fd, on.path, watchAbove)
		switch {
		case err == nil:
			keep[int32(wd)] = on
		case isMissing(err):
			return blind, nil
		case errors.Is(err, os.ErrPermission):
			blind = true
		default:
			return blind, err
		}
	}
	return blind, nil
}

func isMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// also has wait return when something is written to the file, by whatever path.
// The watch of the directory tells only of what is written by a path in it; it is
// enough for nearly all files, and with both each write is told twice. It ends
// with the file.
func (w *watcher) also(f *os.File) error {
	return control(f, func(fd int) error {
		_, err := w.disk.watch(w.fd, "/proc/self/fd/"+strconv.Itoa(fd), unix.IN_MODIFY)
		return err
	})
}

// doubt has the directories watched anew, should they be others by now.
func (w *watcher) doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
}

// keepOnly gives up all other watches.
func (w *watcher) keepOnly(keep map[int32]way) {
	for wd := range w.watched {
		if _, kept := keep[wd]; !kept {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
	w.watched = keep
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
	for {
		if w.closed {
			break
		}
		n, err := unix.Read(w.fd, w.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		w.parse(w.buf[:n], &s)
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
		on, known := w.watched[wd]
		if !known { // of a watch that was given up
			continue
		}
		ours := string(bytes.TrimRight(name, "\x00")) == on.child
		if ours && on.path == w.dir && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
			s.created++
		}
		if ours && on.path != w.dir || mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0 {
			w.armed = false // another directory may now be the one to watch
		}
		if on.path != w.dir && len(name) == 0 && mask&unix.IN_ATTRIB != 0 {
			w.armed = false // it may be allowed to be read, or searched, by now
		}
	}
}

// wait returns when something has happened that was not drained, or somebody
// nudges; false: the watcher is to be closed. It blocks in the kernel, not in the scheduler of Go,
// whose threads may all be busy.
func (w *watcher) wait() bool {
	fds := []unix.PollFd{
		{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}, {Fd: int32(w.poke), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || fds[1].Revents != 0:
			return false
		case fds[2].Revents != 0:
			var count [8]byte
			_, _ = unix.Read(w.poke, count[:])
			return true
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
		_ = unix.Close(w.poke)
	}
}
