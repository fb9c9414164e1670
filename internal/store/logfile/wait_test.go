package logfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// While the thread that reads waits, a write wakes it alone; while it reads, a file that
// appears wakes the other.
func TestWatcher_oneReportWakesOneThread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := newWatcher(kernel{}, path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.arm(false)
	isWoken := func(me *waiter) bool {
		t.Helper()
		var ready [4]unix.EpollEvent
		n, err := unix.EpollWait(me.epoll, ready[:], 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range ready[:n] {
			if int(r.Fd) == w.fd {
				return true
			}
		}
		return false
	}
	for range 2 {
		w.armFile(f)
		if ready, _ := w.take(&w.writes); ready {
			t.Fatal("there is something to read before the first write")
		}
		if _, err := f.WriteString("x\n"); err != nil {
			t.Fatal(err)
		}
		if !isWoken(&w.writes) || isWoken(&w.arrivals) {
			t.Errorf("a write wakes the thread that reads: %v, the other: %v", isWoken(&w.writes), isWoken(&w.arrivals))
		}
		if ready, _ := w.take(&w.writes); !ready {
			t.Fatal("the write is not reported")
		}
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if !isWoken(&w.arrivals) {
			t.Error("a file that appears while the log is read wakes nothing")
		}
		if created, _ := w.update(); created == 0 {
			t.Error("the file that appeared is not reported")
		}
		w.take(&w.writes)
	}
}
