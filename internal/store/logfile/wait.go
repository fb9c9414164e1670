package logfile

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// retryTime is how soon there is another look after one that failed, and how
	// often the path is looked at where it may come to name another file without a
	// report of the kernel.
	retryTime = 500 * time.Millisecond
	// pollTime is how often the log is looked at where the kernel cannot report
	// what happens to it: as often as Podman does.
	pollTime = 250 * time.Millisecond
)

// waiter is one of the two threads that wait for reports of the kernel: one for
// names that appear, the other for what is written. A report wakes one of them: the
// one for what is written if it waits, so that a write is read by the thread that
// it woke, else the other. Either takes all there is, and wakes the other if some of
// it is for that.
type waiter struct {
	epoll int  // the instance that it waits on
	wake  int  // an eventfd
	due   bool // there is something for it; guarded by watcher.mu
}

// open makes what the waiter waits on: for an end, for its eventfd and, unless
// it is -1, for a change of the mounts.
func (me *waiter) open(stop, mounts int) (err error) {
	if me.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if me.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	for _, fd := range []int{stop, me.wake} {
		if err := me.add(fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
	if mounts < 0 {
		return nil
	}
	return me.add(mounts, unix.EPOLLPRI)
}

func (me *waiter) add(fd int, events uint32) error {
	return unix.EpollCtl(me.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// addInstance has both wait for an inotify instance. The kernel asks them in the
// order in which they were added, and EPOLLEXCLUSIVE ends its round at the first
// that waits.
func (w *watcher) addInstance(fd int) error {
	for _, me := range []*waiter{&w.writes, &w.arrivals} {
		if err := me.add(fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
			return err
		}
	}
	return nil
}

// waitForArrivals returns when the path may name another file. isTime says that
// nothing says so but the clock: then it is time for a look, too. ok is false when
// the watcher is to be closed.
func (w *watcher) waitForArrivals() (isTime, ok bool) {
	for {
		ready, timeout := w.take(&w.arrivals)
		if ready {
			return false, true
		}
		n, mounted, ok := w.wait(&w.arrivals, timeout)
		switch {
		case !ok:
			return false, false
		case mounted: // something was, or was unmounted
			w.doubt()
			return false, true
		case n == 0:
			w.mu.Lock()
			w.retry = false
			w.mu.Unlock()
			w.doubt()
			return true, true
		}
	}
}

// waitForWrites returns when something was written, or the path may name another
// file; false: the watcher is to be closed.
func (w *watcher) waitForWrites() bool {
	for {
		if ready, _ := w.take(&w.writes); ready {
			return true
		}
		if _, _, ok := w.wait(&w.writes, -1); !ok {
			return false
		}
	}
}

// wait waits for so many milliseconds at most, and returns how many descriptors
// have something. It blocks in the kernel, not in the scheduler of Go, whose threads
// may all be busy.
func (w *watcher) wait(me *waiter, timeout int) (n int, mounted, ok bool) {
	var ready [4]unix.EpollEvent
	n, err := unix.EpollWait(me.epoll, ready[:], timeout)
	if err == unix.EINTR {
		return 1, false, true
	}
	if err != nil {
		return 0, false, false
	}
	for _, r := range ready[:n] {
		switch int(r.Fd) {
		case w.stop:
			return n, false, false
		case me.wake:
			var count [8]byte
			_, _ = unix.Read(me.wake, count[:])
		case w.mounts:
			mounted = true
		}
	}
	return n, mounted, true
}

// take takes what the kernel has to report. ready says that there is something
// for the waiter; otherwise it has to wait, for so many milliseconds at most, -1
// for ever.
func (w *watcher) take(me *waiter) (ready bool, timeout int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain(me)
	ready, me.due = me.due, false
	timeout = -1
	switch {
	case w.faults[0] != nil || w.faults[1] != nil:
		timeout = int(pollTime / time.Millisecond)
	case w.retry || w.blind || w.mounts < 0:
		timeout = int(retryTime / time.Millisecond)
	}
	return ready, timeout
}

// again has another look made soon, whatever happens.
func (w *watcher) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.retry && !w.closed {
		w.retry = true
		_, _ = unix.Write(w.arrivals.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // so that it waits no longer
	}
}

// call says that there is something for a waiter, and wakes it unless it is the
// one that takes the reports. It is called with the mutex held.
func (w *watcher) call(other, taking *waiter) {
	if other != taking && !other.due {
		_, _ = unix.Write(other.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	other.due = true
}

// nudge has a wait return. It takes nothing that may have run out, as inotify's
// watches may.
func (w *watcher) nudge(other *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.call(other, nil)
	}
}

// interrupt ends both waits for good.
func (w *watcher) interrupt() { _, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
