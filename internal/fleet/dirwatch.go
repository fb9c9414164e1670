package fleet

import (
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// dirWatch reports a change in a directory, once, until it is armed again. So whatever
// a user does there, it is reported once for each time that the log is read.
type dirWatch struct {
	file *os.File
	fd   int
	wake func(uid uint32)

	mu     sync.Mutex
	users  map[int32]map[uint32]struct{} // by watch descriptor: a directory has one; guarded by mu
	arming map[uint32]int                // users for whom a watch is being added; guarded by mu
}

const watchMask = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE_SELF |
	unix.IN_MOVE_SELF | unix.IN_ATTRIB | unix.IN_ONLYDIR | unix.IN_ONESHOT

// newDirWatch returns a watch that calls wake.
func newDirWatch(wake func(uid uint32)) (*dirWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, errors.Wrap(err, "cannot watch the logs of users (raise fs.inotify.max_user_instances)")
	}
	return &dirWatch{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, wake: wake, users: map[int32]map[uint32]struct{}{}, arming: map[uint32]int{}}, nil
}

// armPath watches a directory by its path.
func (w *dirWatch) armPath(path string, uid uint32) {
	if dir, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		w.arm(dir, uid)
		_ = unix.Close(dir)
	}
}

// arm watches a directory for a user. If the kernel refuses the watch, the log is
// polled. It is called with the user's rights. The kernel asks the file system whether
// the user may read the directory, which may hang: no other user waits for that.
func (w *dirWatch) arm(dir int, uid uint32) {
	w.mu.Lock()
	w.arming[uid]++
	w.mu.Unlock()
	wd, err := unix.InotifyAddWatch(w.fd, "/proc/self/fd/"+strconv.Itoa(dir), watchMask)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.arming[uid]--; w.arming[uid] == 0 {
		delete(w.arming, uid)
	}
	if err != nil {
		return
	}
	if w.users[int32(wd)] == nil {
		w.users[int32(wd)] = map[uint32]struct{}{}
	}
	w.users[int32(wd)][uid] = struct{}{}
}

// run handles reports until close.
func (w *dirWatch) run() {
	buffer := make([]byte, 16<<10)
	for {
		n, err := w.file.Read(buffer)
		if err != nil {
			return
		}
		for b := buffer[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(b))
			b = b[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(b[12:]):]
			w.mu.Lock()
			users := slices.Collect(maps.Keys(w.users[wd]))
			delete(w.users, wd)
			users = slices.AppendSeq(users, maps.Keys(w.arming)) // it may be for one of them, whose watch is not recorded yet
			w.mu.Unlock()
			for _, uid := range users {
				w.wake(uid)
			}
		}
	}
}

func (w *dirWatch) close() { _ = w.file.Close() }
