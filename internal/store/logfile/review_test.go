package logfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSync_fileThatTookItsPlace(t *testing.T) {
	d := new(faulty)
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 5)) // by this service, before it was started again
	w := open(t, path, Options{disk: d, Sync: SyncAlways})
	d.awaitCount(t, "sync", 1)
	rotate(t, path, 5)
	w.names(1)
	d.awaitCount(t, "sync", 2)
	d.awaitCount(t, "syncNames", 2)
}

func TestSync_formerFileNotConfirmed(t *testing.T) {
	d := new(faulty)
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{disk: d, Sync: SyncInterval})
	if err := w.write(0); err != nil {
		t.Fatal(err)
	}
	d.set(func(call string, _ int) (int, error) {
		if call == "sync" {
			return 0, unix.EIO
		}
		return 0, nil
	})
	rotate(t, path, 1)
	if err := w.write(2); err != nil {
		t.Errorf("an event that is to go to the new file is refused: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(w.Status().Fault, "power failure"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the status says %q", w.Status().Fault)
		}
	}
	d.heal()
	if err := w.write(3); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); w.Status().Fault != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the fault stays: %q", w.Status().Fault)
		}
	}
}

// A probe needs no watch of the kernel.
func TestProbe_noWatch(t *testing.T) {
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{})
	// Something that takes no watch, as inotify does not when they have run out.
	other, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(other, w.follower.watch.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(other)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.Probe(ctx); err != nil {
		t.Errorf("a service that is alive cannot prove it: %v", err)
	}
}

// crowded is a disk on which a process that does not heed the lock is quicker.
type crowded struct {
	kernel
	mu    sync.Mutex
	first string // what another process writes before the next write
}

func (d *crowded) write(f *os.File, b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first != "" {
		if _, err := d.kernel.write(f, []byte(d.first)); err != nil {
			return 0, err
		}
		d.first = ""
	}
	return d.kernel.write(f, b)
}

func TestWritten_otherWriterBefore(t *testing.T) {
	d := new(crowded)
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d})
	for n := range 3 { // so that the end of the log is known
		if err := w.write(n); err != nil {
			t.Fatal(err)
		}
	}
	d.mu.Lock()
	d.first = lineOf(3)
	d.mu.Unlock()
	if err := w.write(4); err != nil {
		t.Fatal(err)
	}
	if err := w.write(5); err != nil {
		t.Fatal(err)
	}
	equal(t, "delivered", w.names(6), namesOf(0, 6))
	if s := w.Status(); s.Skipped != 0 {
		t.Errorf("%d left out, the last is %s", s.Skipped, s.LastSkipped)
	}
}
