package logfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// holdLock takes the lock of the log as another process would.
func holdLock(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := lockFile(f, unix.F_OFD_SETLK, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// isLocked reports whether a Podman would have to wait.
func isLocked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.OpenFile(path+".lock", os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return lockFile(f, unix.F_OFD_SETLK, unix.F_WRLCK) != nil
}

func (w *watched) write(n int) error {
	_, err := store.Cursors(w.Append(context.Background(), []events.Event{event(n)}))
	return err
}

// A write that gave up does not keep the lock from others.
func TestLock_writerGaveUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{LockTimeout: 50 * time.Millisecond})
	release := holdLock(t, path)
	for range 3 {
		var unavailable *events.UnavailableError
		if err := w.write(0); !errors.As(err, &unavailable) {
			t.Fatal(err)
		}
	}
	release()
	for deadline := time.Now().Add(5 * time.Second); isLocked(t, path); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the lock is held though nothing writes")
		}
	}
	if err := w.write(1); err != nil {
		t.Fatal(err)
	}
	if isLocked(t, path) {
		t.Fatal("the lock is held though nothing writes")
	}
	equal(t, "followed", w.names(1), namesOf(1, 2))
}

// If the lock file is replaced, the new one is locked.
func TestLock_fileReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{LockTimeout: 50 * time.Millisecond})
	release := holdLock(t, path)
	defer release()
	if err := w.write(0); err == nil {
		t.Fatal("it wrote without the lock")
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := w.write(1); err != nil {
		t.Fatal(err)
	}
	if isLocked(t, path) {
		t.Fatal("the lock is held though nothing writes")
	}
}

// A log that is a symbolic link is locked where Podman locks it.
func TestLock_symbolicLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.log")
	target := filepath.Join(t.TempDir(), "elsewhere.log")
	appendTo(t, target, lineOf(0))
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	w := open(t, path, Options{LockTimeout: 50 * time.Millisecond})
	release := holdLock(t, path)
	defer release()
	if err := w.write(1); err == nil {
		t.Fatal("it wrote without Podman's lock")
	}
}

// The lock file that is made here can be opened by its owner alone; one that
// Podman made is used as it is.
func TestLockFile_mode(t *testing.T) {
	for made, want := range map[string]os.FileMode{"here": 0o600, "by Podman": 0o644} {
		path := filepath.Join(t.TempDir(), "events.log")
		if made != "here" {
			if err := os.WriteFile(path+".lock", nil, want); err != nil {
				t.Fatal(err)
			}
		}
		if err := open(t, path, Options{}).write(0); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path + ".lock"); err != nil || info.Mode() != want {
			t.Errorf("made %s: %v, %v", made, info.Mode(), err)
		}
	}
}
