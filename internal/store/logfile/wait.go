package logfile

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// retryTime is how soon a failed read is retried, and how often the path is checked
	// where it may come to name another file without a report of the kernel.
	retryTime = 500 * time.Millisecond
	// pollTime is how often the log is read where the kernel cannot report changes to
	// it: as often as Podman does.
	pollTime = 250 * time.Millisecond
)

// waiter is one of the two threads that wait for reports of the kernel: one for names
// that appear, the other for writes. A report wakes one of them. If the one for writes
// is waiting, it is that one, so that the woken thread itself reads the write; the other
// does not wait for reports meanwhile. Each takes all reports, and wakes the other if
// some are for that.
type waiter struct {
	epoll int // the instance it waits on
	wake  int // an eventfd

	// Guarded by watcher.mu.
	due   bool // a report is for it
	waits bool // it waits, or is about to, and has to be woken
}

// open creates what the waiter waits on: the end, its eventfd and, unless it is -1,
// changes of the mounts.
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

// addInstance makes both wait for an inotify instance.
func (w *watcher) addInstance(fd int) error {
	for _, me := range []*waiter{&w.writes, &w.arrivals} {
		if err := me.add(fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
	w.apart = false
	return nil
}

// keepApart sets whether the waiter for arrivals leaves the instance to the other.
// EPOLLEXCLUSIVE would not do: a second report that finds the other thread woken already
// goes on to this one. It is called with the mutex held.
func (w *watcher) keepApart(apart bool) {
	if w.fd < 0 || w.apart == apart {
		return
	}
	change := unix.EpollEvent{Fd: int32(w.fd)}
	if !apart {
		change.Events = unix.EPOLLIN
	}
	if unix.EpollCtl(w.arrivals.epoll, unix.EPOLL_CTL_MOD, w.fd, &change) == nil {
		w.apart = apart
	}
}

// waitForArrivals returns when the path may name another file. isTime is set if only
// the clock says so: then the log is to be read, too. ok is false when the watcher is
// to be closed.
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
		case mounted: // a file system was mounted or unmounted
			w.recheck()
			return false, true
		case n == 0:
			w.mu.Lock()
			w.retry = false
			w.mu.Unlock()
			w.recheck()
			return true, true
		}
	}
}

// waitForWrites returns true when the log was written to, or the path may name another
// file; false when the watcher is to be closed.
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

// wait waits for at most so many milliseconds, and returns how many descriptors are
// ready. It blocks in the kernel, not in Go's scheduler, whose threads may all be busy.
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

// take takes the reports of the kernel. ready is set if some are for the waiter;
// otherwise it has to wait for at most so many milliseconds, -1 for ever.
func (w *watcher) take(me *waiter) (ready bool, timeout int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	me.waits = false
	w.drain()
	ready, me.due = me.due, false
	me.waits = !ready
	switch {
	case w.closed:
	case me == &w.writes:
		w.keepApart(!ready)
	case w.writes.due:
		w.dropFile() // while the log is read, further writes would only wake this thread
		w.drain()    // and so would the report of this
	}
	timeout = -1
	switch {
	case w.faults[0] != nil || w.faults[1] != nil:
		timeout = int(pollTime / time.Millisecond)
	case w.retry || w.blind || w.mounts < 0:
		timeout = int(retryTime / time.Millisecond)
	}
	return ready, timeout
}

// again makes the log be read again soon, even without a report.
func (w *watcher) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.retry && !w.closed {
		w.retry = true
		_, _ = unix.Write(w.arrivals.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // to end its wait
	}
}

// call marks a report for a waiter, and wakes it if it waits. It is called with the
// mutex held.
func (w *watcher) call(me *waiter) {
	if me.waits {
		_, _ = unix.Write(me.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		me.waits = false
	}
	me.due = true
}

// nudge makes a wait return. It uses nothing that may run out, as inotify's watches
// may.
func (w *watcher) nudge(me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.call(me)
	}
}

// interrupt ends both waits for good.
func (w *watcher) interrupt() { _, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
