package logfile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// end returns the cursor of the end of the log.
func (w *watched) end() string {
	w.t.Helper()
	r, err := w.Read(w.t.Context(), store.Start{}, store.Everything())
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	var b store.Batch
	for err == nil {
		err = r.Next(w.t.Context(), &b)
	}
	cursor, err := r.Cursor()
	if err != nil {
		w.t.Fatal(err)
	}
	return cursor
}

// A cursor from before there was a log is believed by the store that saw the
// first file appear, as long as that is whole, and in no other log.
func TestOrigin_ofNoFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.log")
	w := open(t, path, Options{})
	origin := w.end()
	if names, gone := w.at(origin); gone || len(names) != 0 {
		t.Fatalf("without a log: %v, gone: %v", names, gone)
	}
	if other := open(t, path, Options{}).end(); other == origin {
		t.Error("two stores name the time before the log alike")
	}
	appendTo(t, path, linesOf(0, 20))
	if names, gone := w.at(origin); gone || len(names) != 20 {
		t.Errorf("in the first file: %v, gone: %v", names, gone)
	}
	again := open(t, path, Options{})
	if names, gone := again.at(origin); !gone {
		t.Errorf("in a store that did not see it: %v", names)
	}
	rotate(t, path, 0) // as Podman 4.3 does, without a marker
	appendTo(t, path, lineOf(20))
	if names, gone := w.at(origin); !gone {
		t.Errorf("after a rotation: %v", names)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, lineOf(30))
	if names, gone := w.at(origin); !gone {
		t.Errorf("in a log that is created again: %v", names)
	}
}

// A cursor from a log that was there and had no events is believed by the store that
// has watched it since, and by no other: it may have been cut meanwhile.
func TestOrigin_emptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, "")
	w := open(t, path, Options{})
	origin := w.end()
	appendTo(t, path, linesOf(0, 5))
	if names, gone := w.at(origin); gone || len(names) != 5 {
		t.Errorf("in the store that watches it: %v, gone: %v", names, gone)
	}
	w.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(5, 7))
	if names, gone := open(t, path, Options{}).at(origin); !gone {
		t.Errorf("after it was cut: %v", names)
	}
}

// A follower that waits for the first event gets an error if it may have missed
// a file.
func TestOrigin_twoFilesUnseen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{})
	origin := w.end()
	w.follower.arrivals.mu.Lock() // what notes the files that appear is held up
	appendTo(t, path, linesOf(0, 5))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(7, 8))
	w.follower.arrivals.mu.Unlock()
	equal(t, "followed", w.names(1), namesOf(7, 8))
	if w.losses() != 1 {
		t.Errorf("%d losses were reported", w.losses())
	}
	if names, gone := w.at(origin); !gone {
		t.Errorf("after the origin: %v", names)
	}
}

// The same in a directory that appears with them.
func TestOrigin_twoFilesInANewDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	path := filepath.Join(dir, "events.log")
	w := open(t, path, Options{})
	w.follower.arrivals.mu.Lock()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, stat, err := identify(unix.AT_FDCWD, dir); err != nil || stat.Mask&unix.STATX_BTIME == 0 {
		w.follower.arrivals.mu.Unlock()
		t.Skipf("the file system does not say when a directory was made: %v", err)
	}
	time.Sleep(freshTime + 100*time.Millisecond)
	appendTo(t, path, linesOf(0, 5))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.follower.arrivals.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); !w.watches(dir); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the directory is not watched")
		}
	}
	appendTo(t, path, linesOf(7, 8))
	equal(t, "followed", w.names(1), namesOf(7, 8))
	if w.losses() != 1 {
		t.Errorf("%d losses were reported", w.losses())
	}
}

// watches reports whether the names in a directory are watched.
func (w *watched) watches(dir string) bool {
	w.follower.watch.mu.Lock()
	defer w.follower.watch.mu.Unlock()
	for _, ways := range w.follower.watch.watched {
		for _, on := range ways {
			if on.path == dir {
				return true
			}
		}
	}
	return false
}

// A file that appears with its directory is the first.
func TestOrigin_fileInANewDirectory(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "a", "b", "events.log")
		w := open(t, path, Options{})
		origin := w.end()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, linesOf(0, 3))
		equal(t, "followed", w.names(3), namesOf(0, 3))
		if names, gone := w.at(origin); gone || len(names) != 3 || w.losses() > 0 {
			t.Errorf("%d losses; after the origin: %v, gone: %v", w.losses(), names, gone)
		}
	}
}

// What follows a truncation has another name in each process, and after each
// truncation.
func TestOrigin_truncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 3))
	truncated := func(w *watched) string {
		t.Helper()
		before := w.losses()
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); w.losses() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the truncation was not noticed")
			}
		}
		return w.end()
	}
	w := open(t, path, Options{})
	cursor := truncated(w)
	appendTo(t, path, linesOf(10, 30))
	if names, gone := w.at(cursor); gone || len(names) != 20 {
		t.Errorf("in the store that saw it: %v, gone: %v", names, gone)
	}
	w.names(20)
	again := open(t, path, Options{})
	truncated(again)
	appendTo(t, path, linesOf(40, 41))
	again.names(1)
	for _, s := range []*watched{w, again} {
		if names, gone := s.at(cursor); !gone {
			t.Errorf("after another truncation: %v", names)
		}
	}
}
