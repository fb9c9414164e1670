package logfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// watchedLog is a log whose writes a watcher reports.
type watchedLog struct {
	*watcher
	t    *testing.T
	file *os.File
}

func newWatchedLog(t *testing.T) *watchedLog {
	path := filepath.Join(t.TempDir(), "events.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	w, err := newWatcher(kernel{}, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	w.arm(false)
	w.armFile(f)
	return &watchedLog{w, t, f}
}

func (l *watchedLog) write() {
	l.t.Helper()
	if _, err := l.file.WriteString("x\n"); err != nil {
		l.t.Fatal(err)
	}
}

// isWoken reports whether the inotify instance wakes a waiter.
func (l *watchedLog) isWoken(me *waiter) bool {
	l.t.Helper()
	var ready [4]unix.EpollEvent
	n, err := unix.EpollWait(me.epoll, ready[:], 0)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range ready[:n] {
		if int(r.Fd) == l.fd {
			return true
		}
	}
	return false
}

// While the thread that reads waits, a write wakes it alone; while it reads, a file that
// appears wakes the other.
func TestWatcher_oneReportWakesOneThread(t *testing.T) {
	w := newWatchedLog(t)
	for range 2 {
		w.armFile(w.file)
		if ready, _ := w.take(&w.writes); ready {
			t.Fatal("there is something to read before the first write")
		}
		w.write()
		if !w.isWoken(&w.writes) || w.isWoken(&w.arrivals) {
			t.Errorf("a write wakes the thread that reads: %v, the other: %v", w.isWoken(&w.writes), w.isWoken(&w.arrivals))
		}
		if ready, _ := w.take(&w.writes); !ready {
			t.Fatal("the write is not reported")
		}
		if err := os.Rename(w.path, w.path+".old"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if !w.isWoken(&w.arrivals) {
			t.Error("a file that appears while the log is read wakes nothing")
		}
		if created, _ := w.update(); created == 0 {
			t.Error("the file that appeared is not reported")
		}
		w.take(&w.writes)
	}
}

// While the log is read, many writes wake the other thread no more often than one, and
// none is missed.
func TestWatcher_writesWhileTheLogIsRead(t *testing.T) {
	w := newWatchedLog(t)
	w.write()
	if ready, _ := w.take(&w.writes); !ready {
		t.Fatal("the first write is not reported")
	}
	for i := range 4 {
		w.write()
		if woken := w.isWoken(&w.arrivals); woken != (i == 0) {
			t.Errorf("write %d wakes the thread that does not read: %v", i, woken)
		}
		if ready, _ := w.take(&w.arrivals); ready {
			t.Error("a write is reported as a file that appears")
		}
	}
	if ready, _ := w.take(&w.writes); !ready {
		t.Fatal("the writes are not reported")
	}
	w.armFile(w.file)
	if ready, _ := w.take(&w.writes); ready {
		t.Fatal("there is something to read before the next write")
	}
	w.write()
	if ready, _ := w.take(&w.writes); !ready {
		t.Error("the next write is not reported")
	}
}
