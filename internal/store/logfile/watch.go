package logfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watcher reports changes to the log, from one inotify instance: names that come and go
// in its directory, writes to the followed file, and whatever makes the path name
// another file, mounts included. Unlike the usual libraries it can be asked
// synchronously what has happened up to now. That is what proves that exactly one file
// replaced another.
//
// Where the kernel has no instance or watch left, the log is polled. Where a directory
// on the path may not be read, the path is checked twice a second.
type watcher struct {
	path   string
	disk   disk
	stop   int // an eventfd that ends both waits
	mounts int // the mounts of this process, whose changes poll reports; -1: not known

	arrivals, writes waiter

	mu      sync.Mutex
	fd      int                 // the inotify instance, -1: none
	apart   bool                // only the waiter for writes waits for it
	buf     []byte              // for drain: on the stack of each goroutine that reads it would stay
	watched map[int32][]pathDir // by watch descriptor
	file    int32               // of the followed file, 0: it is not watched
	created int                 // files that appeared at the path since the last sawNew
	detours int                 // how often the path may have led elsewhere
	moved   uint32              // the cookie of the name that was last moved away
	changes int                 // of the directories in which files appear
	armed   bool                // everything needed is watched
	above   bool                // and so are the names above
	blind   bool                // except a directory that may not be read
	faults  [2]error            // why the log is polled: for directories, and for the file
	retry   bool                // read again soon, even without a report
	closed  bool
}

// What is watched: of a directory on the path, whether it stays where it is, and where
// its names matter, those that come and go; of the file, the next write.
const (
	watchSelf  = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	watchNames = watchSelf | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB
	watchWrite = unix.IN_MODIFY
)

// unproven is the count of appeared files that stands for an unknown number: more than
// one.
const unproven = 2

func newWatcher(d disk, path string) (*watcher, error) {
	w := &watcher{path: path, disk: d, stop: -1, mounts: -1, fd: -1, buf: make([]byte, 16<<10), watched: make(map[int32][]pathDir)}
	for _, fd := range []*int{&w.arrivals.epoll, &w.arrivals.wake, &w.writes.epoll, &w.writes.wake} {
		*fd = -1
	}
	if fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		w.mounts = fd
	}
	var err error
	if w.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = w.writes.open(w.stop, -1)
	}
	if err == nil {
		err = w.arrivals.open(w.stop, w.mounts)
	}
	if err != nil {
		w.closeAll()
		return nil, errors.Wrap(err, "cannot watch the log")
	}
	return w, nil
}

// arm makes sure that the path to the log is watched, as far as it exists.
//
// above: also watch the names in the directories above, which is needed while there is
// no file at the path. A directory that is deleted while one of its files is held open
// does not report its own end, but the directory above does.
func (w *watcher) arm(above bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.armed && w.above == above {
		return
	}
	err := w.openInstance()
	// Watching again what is already watched leaves no gap.
	keep := make(map[int32][]pathDir)
	w.blind = false
	if err == nil {
		err = w.watchPath(keep, above)
	}
	w.faults[0] = err
	if err != nil { // earlier watches remain
		w.armed = false
		return
	}
	before, after := dirsOf(w.watched), dirsOf(keep)
	if !slices.Equal(before, after) {
		w.changes++
	}
	if slices.ContainsFunc(before, func(wd int32) bool { return !slices.Contains(after, wd) }) {
		w.detours++ // as by a mount, which inotify does not report
	}
	w.keepOnly(keep)
	w.armed, w.above = true, above
}

// openInstance creates the inotify instance if there is none yet.
func (w *watcher) openInstance() error {
	if w.fd >= 0 {
		return nil
	}
	fd, err := w.disk.inotify()
	if err != nil {
		return errors.Wrap(err, "cannot watch the log for changes (raise fs.inotify.max_user_instances)")
	}
	if err := w.addInstance(fd); err != nil {
		_ = unix.Close(fd)
		return errors.Wrap(err, "cannot watch the log for changes")
	}
	w.fd = fd
	return nil
}

// isSameDir reports whether the watched directory is still the one at the log's path.
func (w *watcher) isSameDir() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	isWatched, same := false, w.fd >= 0
	for wd, ways := range w.watched {
		for _, on := range ways {
			if on.last {
				now, err := w.disk.watch(w.fd, on.path, watchNames|unix.IN_MASK_ADD)
				isWatched, same = true, same && err == nil && int32(now) == wd
			}
		}
	}
	same = same && isWatched
	if !same {
		w.armed = false
	}
	return same
}

// dirsChanges returns how often the directories in which the log, or a link to it,
// appears have changed.
func (w *watcher) dirsChanges() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes
}

// armFile has writes to the file reported, by whatever path they are made. Called before
// the file is read to its end, it misses no write.
//
// With IN_ONESHOT, which ends the watch with its report, a client would have an event a
// tenth later: the kernel has more to do for the end of a watch than for a report.
func (w *watcher) armFile(f *os.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.fd < 0 || w.file != 0 {
		return
	}
	err := control(f, func(fd int) error {
		wd, err := w.disk.watch(w.fd, "/proc/self/fd/"+strconv.Itoa(fd), watchWrite)
		if err == nil {
			w.file = int32(wd)
		}
		return err
	})
	w.faults[1] = errors.Wrap(err, "cannot watch the log for writes"+limitAdvice(err))
}

// forgetFile drops the watch of the file that was followed.
func (w *watcher) forgetFile() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.dropFile()
	}
}

// dropFile is called with the mutex held.
func (w *watcher) dropFile() {
	if w.file != 0 {
		_, _ = unix.InotifyRmWatch(w.fd, uint32(w.file))
		w.file = 0
	}
}

// recheck makes the directories be watched again, in case they have changed.
func (w *watcher) recheck() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
}

// keepOnly drops all other watches of directories.
func (w *watcher) keepOnly(keep map[int32][]pathDir) {
	for wd := range w.watched {
		if _, kept := keep[wd]; !kept {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
	w.watched = keep
}

// update takes the reports up to now. It returns how many files have appeared at the
// path since the last sawNew, and how often a directory or link on the path was moved,
// deleted or replaced, and files with it.
func (w *watcher) update() (created, detours int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
	return w.created, w.detours
}

// forget takes back so many of the files that appeared.
func (w *watcher) forget(created int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.created = max(0, w.created-created)
}

// sawNew returns how many files have appeared at the path since its last call. More
// than one may mean that the number is not known.
func (w *watcher) sawNew() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
	n := w.created
	w.created = 0
	return n
}

// polled returns why the log is polled, nil if it is not.
func (w *watcher) polled() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(w.faults[0], w.faults[1])
}

// drain takes all reports of the kernel up to now.
func (w *watcher) drain() {
	for !w.closed && w.fd >= 0 {
		n, err := unix.Read(w.fd, w.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		w.parse(w.buf[:n])
	}
}

func (w *watcher) parse(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b[0:]))
		mask := binary.NativeEndian.Uint32(b[4:])
		cookie := binary.NativeEndian.Uint32(b[8:])
		length := binary.NativeEndian.Uint32(b[12:])
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+int(length)], "\x00"))
		b = b[unix.SizeofInotifyEvent+int(length):]
		switch ways, isDir := w.watched[wd]; {
		case mask&unix.IN_Q_OVERFLOW != 0:
			w.created += unproven
			w.call(&w.arrivals)
			w.call(&w.writes)
		case wd == w.file:
			if mask&unix.IN_IGNORED != 0 { // the watch has ended
				w.file = 0
			}
			w.call(&w.writes)
		case isDir:
			for _, on := range ways {
				w.note(on, name, mask, cookie)
			}
		} // otherwise it is of a watch that was dropped
		if mask&unix.IN_MOVED_FROM != 0 {
			w.moved = cookie
		}
	}
}

// note handles a report about a directory.
func (w *watcher) note(on pathDir, name string, mask, cookie uint32) {
	ours := name == on.child
	switch {
	case !ours || !on.last || mask&(unix.IN_CREATE|unix.IN_MOVED_TO) == 0:
	case mask&unix.IN_MOVED_TO != 0 && cookie != w.moved:
		// It comes from a directory that is not watched. The kernel merges several in a
		// row into one report.
		w.created += unproven
	default:
		w.created++
	}
	if ours && on.turn && mask&(unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO) != 0 || mask&(unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0 {
		w.detours++
	}
	isOther := ours && on.turn || mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF) != 0
	// The directory may have become readable or searchable.
	isOther = isOther || on.turn && name == "" && mask&unix.IN_ATTRIB != 0
	if isOther {
		w.armed = false // another directory may now be the one to watch
	}
	if ours && (on.last || on.turn) || isOther {
		w.call(&w.arrivals)
		w.call(&w.writes)
	}
}

// close frees the watcher. No thread may be waiting any more.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.closeAll()
	}
}

func (w *watcher) closeAll() {
	for _, fd := range []int{w.fd, w.stop, w.mounts, w.arrivals.epoll, w.arrivals.wake, w.writes.epoll, w.writes.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
