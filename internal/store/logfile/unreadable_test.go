package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/rotated"
)

// dying is a disk on which one file cannot be read any more.
type dying struct {
	kernel
	mu   sync.Mutex
	dead fileID
}

// kill lets the file at the path be read no more, as long as there is one.
func (d *dying) kill(path string) {
	id, _, err := d.kernel.at(path)
	if err != nil {
		panic(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = id
}

func (d *dying) heal() { d.mu.Lock(); defer d.mu.Unlock(); d.dead = fileID{} }

func (d *dying) isDead(f *os.File) bool {
	id, _, err := d.kernel.of(f)
	d.mu.Lock()
	defer d.mu.Unlock()
	return err == nil && id == d.dead
}

func (d *dying) stat(f *os.File) (fileState, error) {
	if d.isDead(f) {
		return fileState{}, unix.ESTALE
	}
	return d.kernel.stat(f)
}

func (d *dying) readAt(f *os.File, b []byte, off int64) (int, error) {
	if d.isDead(f) {
		return 0, unix.EIO
	}
	return d.kernel.readAt(f, b, off)
}

// replace puts a file with the events in the place of the log.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A file that can never be read again does not bar its successor.
func TestUnreadable_forever(t *testing.T) {
	for _, own := range []bool{false, true} {
		d := new(dying)
		path := filepath.Join(t.TempDir(), "events.log")
		o := Options{disk: d, patience: time.Nanosecond}
		if own {
			o.MaxSize = 1 << 20
		}
		w := open(t, path, o)
		for n := range 3 {
			if err := w.write(n); err != nil {
				t.Fatal(err)
			}
		}
		before := w.Status().Skipped
		d.kill(path)
		appendTo(t, path, lineOf(3)) // which cannot be read any more
		if own {
			if err := os.Rename(path, rotated.Path(path, 1)); err != nil {
				t.Fatal(err)
			}
		}
		replace(t, path, lineOf(4))
		equal(t, "delivered", w.names(4), append(namesOf(0, 3), namesOf(4, 5)...))
		if w.losses() != 1 {
			t.Errorf("%d losses were reported, want 1", w.losses())
		}
		if err := w.write(5); err != nil {
			t.Fatal(err)
		}
		equal(t, "delivered", w.names(5), append(namesOf(0, 3), namesOf(4, 6)...))
		names, _, err := w.history("")
		equal(t, "the past", names, namesOf(4, 6))
		if err != nil {
			t.Error(err)
		}
		s := w.Status()
		if s.Skipped != before+1 || !strings.Contains(s.LastSkipped, "the rest of a file that was replaced is lost") {
			t.Errorf("%d left out, the last is %q", s.Skipped, s.LastSkipped)
		}
		if s.Fault != "" {
			t.Errorf("the fault stays: %s", s.Fault)
		}
	}
}

// A file that can be read again in time costs nothing.
func TestUnreadable_inTime(t *testing.T) {
	d := new(dying)
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{disk: d, patience: time.Hour})
	for n := range 3 {
		if err := w.write(n); err != nil {
			t.Fatal(err)
		}
	}
	d.kill(path)
	appendTo(t, path, lineOf(3))
	replace(t, path, linesOf(2, 5))
	for deadline := time.Now().Add(10 * time.Second); w.faultNow() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing failed")
		}
	}
	if fault := w.Status().Fault; !strings.Contains(fault, "cannot read the") {
		t.Errorf("the status says %q", fault)
	}
	d.heal()
	equal(t, "delivered", w.names(5), namesOf(0, 5))
	if w.losses() != 0 {
		t.Errorf("%d losses were reported", w.losses())
	}
}
