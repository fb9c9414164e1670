package logfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/store"
)

// replaceWith puts a file with the text in the place of the log.
func replaceWith(t *testing.T, path, text string) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(path), "tmp.replace")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func TestReplace_partOfItself(t *testing.T) {
	const total = 5000
	for name, text := range map[string]string{
		"the last line deleted":         linesOf(0, total-1),
		"the last lines deleted":        linesOf(0, total-300),
		"most lines deleted":            linesOf(0, 10),
		"the newer half in another way": linesOf(total/2+10, total-100),
		"no second line, none of late":  lineOf(0) + linesOf(2, total-100),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(0, 100))
			w := open(t, path, Options{})
			appendTo(t, path, linesOf(100, total))
			equal(t, "followed", w.names(total-100), namesOf(100, total))
			replaceWith(t, path, text)
			_ = w.Look()
			if w.losses() != 1 {
				t.Errorf("%d losses, %d events delivered", w.losses(), len(w.names(1)))
			}
		})
	}
}

func TestReplace_truncatedAndFilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(10, 20))
	w := open(t, path, Options{})
	w.mu.Lock() // the follower is held up
	w.follower.mu.Lock()
	if err := os.WriteFile(path, []byte(linesOf(30, 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.follower.mu.Unlock()
	w.mu.Unlock()
	_ = w.Look()
	if w.losses() != 1 {
		t.Errorf("%d losses", w.losses())
	}
	equal(t, "followed", w.names(10), namesOf(30, 40))
}

func TestReplace_readerOfATruncatedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 10000))
	w := open(t, path, Options{})
	r, err := w.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b store.Batch
	if err := r.Next(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(linesOf(20000, 40000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Look(); err != nil {
		t.Fatal(err)
	}
	var expired *events.ExpiredError
	if err := r.Next(context.Background(), &b); !errors.As(err, &expired) {
		t.Fatalf("%d records, %v", len(b.Records), err)
	}
}

// A reading that began before there was a log misses nothing.
func TestReading_beganBeforeLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{})
	r, err := w.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 0; n < 100; n += 20 {
		appendTo(t, path, linesOf(n, n+20))
		if err := w.Look(); err != nil {
			t.Fatal(err)
		}
		rotate(t, path, 0)
		if err := w.Look(); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	var b store.Batch
	for tries := 0; tries < 2; { // the first end is the one of when it began
		err := r.Next(context.Background(), &b)
		if errors.Is(err, io.EOF) {
			tries++
		} else if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			names = append(names, b.Records[i].Event().Name)
		}
	}
	equal(t, "read", names, namesOf(0, 100))
}

// The past is there while a new file is being filled.
func TestReading_newFileBeingFilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 100))
	w := open(t, path, Options{})
	text := linesOf(0, 100)
	half := text[len(text)/2:]
	half = half[strings.IndexByte(half, '\n')+1:]
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, half[:len(half)/3])
	names, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "while it is filled", names, namesOf(0, 100))
	appendTo(t, path, half[len(half)/3:]+lineOf(100))
	equal(t, "followed", w.names(1), namesOf(100, 101))
	if names, _, err = w.history(cursors[90]); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a cursor", names, namesOf(91, 101))
	if w.losses() != 0 {
		t.Error("continuity was lost")
	}
}

func TestReplace_copyThatStalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 10))
	w := open(t, path, Options{})
	appendTo(t, path, linesOf(10, 1000))
	w.names(990)
	text := linesOf(0, 1000)
	half := text[len(text)/2:]
	half = half[strings.IndexByte(half, '\n')+1:]
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, half[:len(half)/2])
	time.Sleep(settleTime + retryTime + 300*time.Millisecond)
	appendTo(t, path, half[len(half)/2:]+lineOf(1000))
	_ = w.Look()
	if w.losses() != 1 {
		t.Errorf("%d losses, %d events delivered", w.losses(), len(w.names(1)))
	}
}

func TestReplace_setAsideByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	const size = 4000
	w := open(t, path, Options{MaxSize: size})
	other, err := Open(Options{Path: path, MaxSize: size})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	const total = 300
	for n := range total {
		if _, err := store.Cursors(other.Append(context.Background(), []events.Event{event(n)})); err != nil {
			t.Fatal(err)
		}
		if n%50 != 0 { // several are set aside between two looks
			_ = w.Look()
		}
	}
	equal(t, "followed", w.names(total), namesOf(0, total))
	if w.losses() != 0 {
		t.Error("continuity was lost")
	}
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	if len(w.chain.present) > rotated.Kept+1 {
		t.Errorf("%d files are held", len(w.chain.present))
	}
}

func TestReplace_truncatedThenReplaced(t *testing.T) {
	for name, replace := range map[string]func(path string){
		"deleted":  func(path string) { _ = os.Remove(path) },
		"replaced": func(path string) { _ = os.Remove(path); appendTo(t, path, linesOf(60, 70)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(10, 20))
			w := open(t, path, Options{})
			w.follower.mu.Lock() // the follower is held up
			if err := os.WriteFile(path, []byte(linesOf(30, 60)), 0o600); err != nil {
				t.Fatal(err)
			}
			replace(path)
			w.follower.mu.Unlock()
			_ = w.Look()
			if w.losses() != 1 {
				t.Errorf("%d losses", w.losses())
			}
			equal(t, "followed", w.names(30)[:30], namesOf(30, 60))
		})
	}
}

// A log is followed when its directory was deleted.
func TestFollow_directoryDeleted(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	path := filepath.Join(dir, "events.log")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(0, 5))
	w := open(t, path, Options{})
	want := 5
	for _, deleted := range []string{dir, filepath.Dir(dir), dir} {
		if err := os.RemoveAll(deleted); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, linesOf(want, want+10))
		want += 10
		equal(t, "followed", w.names(want-5), namesOf(5, want))
	}
}

// A log that is gone is not looked for by polling.
func TestFollow_goneWithoutPolling(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	path := filepath.Join(dir, "events.log")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(0, 5))
	w := open(t, path, Options{})
	if err := os.RemoveAll(filepath.Join(top, "a")); err != nil {
		t.Fatal(err)
	}
	for { // until it was noticed
		w.follower.mu.Lock()
		gone := w.chain.gone
		w.follower.mu.Unlock()
		if _, timeout := w.follower.watch.take(&waiter{}); timeout != -1 {
			t.Fatal("it is to be looked for again after a while")
		}
		if gone {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, moved := range []bool{false, true} {
		aside := filepath.Join(top, "aside")
		if err := os.MkdirAll(filepath.Join(aside, "b"), 0o700); err != nil {
			t.Fatal(err)
		}
		if moved { // with the log in it already
			appendTo(t, filepath.Join(aside, "b", "events.log"), linesOf(15, 25))
			if err := os.RemoveAll(filepath.Join(top, "a")); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(aside, filepath.Join(top, "a")); err != nil {
			t.Fatal(err)
		}
		if !moved {
			appendTo(t, path, linesOf(5, 15))
			equal(t, "followed", w.names(10), namesOf(5, 15))
		}
	}
	equal(t, "followed", w.names(20), namesOf(5, 25))
}
