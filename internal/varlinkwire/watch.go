package varlinkwire

import (
	"os"
	"sync"
	"syscall"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watcher detects clients that have disconnected while no goroutine reads from them,
// for all connections in one goroutine. It only waits for a hangup, which occurs once,
// and not when a client only closes its writing side. So nothing else wakes it, not
// even waiting requests.
type watcher struct {
	file *os.File // of the epoll instance
	raw  syscall.RawConn

	mu    sync.Mutex
	last  uint64
	calls map[uint64]func() // what to call when the client has disconnected
}

// newWatcher makes a watcher. Call run to start it, and close to end it.
func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, errors.Wrap(err, "cannot watch connections")
	}
	// The Go runtime can wait for a non-blocking epoll instance, which then takes no
	// thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, errors.Wrap(err, "cannot watch connections")
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "epoll"), calls: make(map[uint64]func())}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, errors.Wrap(err, "cannot watch connections")
	}
	return w, nil
}

// run calls the functions of clients that have disconnected, until the watcher is
// closed.
func (w *watcher) run() {
	const atATime = 64
	var hangups [atATime]unix.EpollEvent
	_ = w.raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.EpollWait(int(fd), hangups[:], 0)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 {
				return false
			}
			for i := range hangups[:n] {
				w.fire(tokenOf(&hangups[i]))
			}
		}
	})
}

func (w *watcher) fire(token uint64) {
	w.mu.Lock()
	gone := w.calls[token]
	w.mu.Unlock()
	if gone != nil {
		gone()
	}
}

// add calls gone, once and from another goroutine, when the client has disconnected.
// The token is for remove.
func (w *watcher) add(conn syscall.RawConn, gone func()) (token uint64, err error) {
	w.mu.Lock()
	w.last++
	token = w.last
	w.calls[token] = gone
	w.mu.Unlock()
	// EPOLLHUP is always reported; EPOLLONESHOT reports it once.
	event := unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err = w.control(conn, unix.EPOLL_CTL_ADD, &event); err != nil {
		w.forget(token)
	}
	return token, err
}

// remove undoes add. gone may still be running.
func (w *watcher) remove(conn syscall.RawConn, token uint64) {
	_ = w.control(conn, unix.EPOLL_CTL_DEL, nil)
	w.forget(token)
}

func (w *watcher) forget(token uint64) {
	w.mu.Lock()
	delete(w.calls, token)
	w.mu.Unlock()
}

// control keeps both descriptors from being closed while it uses them.
func (w *watcher) control(conn syscall.RawConn, op int, event *unix.EpollEvent) error {
	var err error
	outer := w.raw.Control(func(epoll uintptr) {
		inner := conn.Control(func(fd uintptr) { err = unix.EpollCtl(int(epoll), op, int(fd), event) })
		if err == nil {
			err = inner
		}
	})
	if err == nil {
		err = outer
	}
	return errors.Wrap(err, "cannot watch the connection")
}

func tokenOf(e *unix.EpollEvent) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

func (w *watcher) close() { _ = w.file.Close() }
