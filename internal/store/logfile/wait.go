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
// names that appear, the other for what is written. Either takes all there is, and
// wakes the other if some of it is for that.
type waiter struct {
	wake int  // an eventfd
	due  bool // there is something for it; guarded by watcher.mu
}

// waitForArrivals returns when the path may name another file. isTime says that
// nothing says so but the clock: then it is time for a look, too. ok is false when
// the watcher is to be closed.
func (w *watcher) waitForArrivals() (isTime, ok bool) {
	for {
		fd, ready, timeout := w.take(&w.arrivals)
		if ready {
			return false, true
		}
		fds := []unix.PollFd{{Fd: int32(w.mounts), Events: unix.POLLPRI}}
		n, ok := w.poll(&w.arrivals, fd, fds, timeout)
		switch {
		case !ok:
			return false, false
		case fds[0].Revents != 0: // something was mounted or unmounted
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
		fd, ready, _ := w.take(&w.writes)
		if ready {
			return true
		}
		if _, ok := w.poll(&w.writes, fd, nil, -1); !ok {
			return false
		}
	}
}

// poll waits for the descriptors, for so many milliseconds at most, and returns
// how many have something. It blocks in the kernel, not in the scheduler of Go,
// whose threads may all be busy.
func (w *watcher) poll(me *waiter, fd int, more []unix.PollFd, timeout int) (n int, ok bool) {
	fds := append([]unix.PollFd{
		{Fd: int32(w.stop), Events: unix.POLLIN}, {Fd: int32(me.wake), Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN},
	}, more...)
	n, err := unix.Poll(fds, timeout)
	copy(more, fds[3:])
	switch {
	case err == unix.EINTR:
		return 1, true
	case err != nil || fds[0].Revents != 0:
		return 0, false
	case fds[1].Revents != 0:
		var count [8]byte
		_, _ = unix.Read(me.wake, count[:])
	}
	return n, true
}

// take takes what the kernel has to report. ready says that there is something
// for the waiter; otherwise it has to wait for the descriptor, for so many
// milliseconds at most, -1 for ever.
func (w *watcher) take(me *waiter) (fd int, ready bool, timeout int) {
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
	return w.fd, ready, timeout
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
