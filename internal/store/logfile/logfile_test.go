package logfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

func TestFollow_appended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 3))
	w := open(t, path, Options{})
	appendTo(t, path, linesOf(3, 5))
	appendTo(t, path, lineOf(5)[:20])
	appendTo(t, path, lineOf(5)[20:])
	equal(t, "followed", w.names(3), namesOf(3, 6))
	names, _, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "history", names, namesOf(0, 6))
}

// Follows Podman's rotation without gap or repetition.
func TestFollow_podmanRotation(t *testing.T) {
	for markers := range 3 {
		t.Run(fmt.Sprintf("%d markers", markers), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(0, 10))
			w := open(t, path, Options{})
			n := 10
			for round := range 20 {
				appendTo(t, path, linesOf(n, n+7))
				n += 7
				rotate(t, path, markers)
				if round%2 == 0 { // let it see each generation, or find two at once
					w.names(1)
					_ = w.Look()
				} else {
					_ = w.Look()
				}
			}
			_ = w.Look()
			var got []string
			for _, name := range w.names(1) {
				if name[0] == 'v' {
					got = append(got, name)
				}
			}
			equal(t, "followed", got, namesOf(10, n))
			if w.losses() != 0 {
				t.Fatal("continuity was lost")
			}
		})
	}
}

// A cursor survives rotation and is the same for every reader.
func TestCursor_rotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{})
	appendTo(t, path, linesOf(0, 100))
	names, before, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "history", names, namesOf(0, 100))
	rotate(t, path, 0)
	other := open(t, path, Options{})
	for _, s := range []*watched{w, other} {
		kept, after, err := s.history("")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "kept", kept, namesOf(100-len(kept), 100))
		equal(t, "cursors", after, before[100-len(kept):])
		for i, cursor := range after {
			rest, _, err := s.history(cursor)
			if err != nil {
				t.Fatalf("after %d: %v", i, err)
			}
			equal(t, "rest", rest, kept[i+1:])
		}
		for _, cursor := range before[:100-len(kept)] {
			var expired *events.ExpiredError
			if _, _, err := s.history(cursor); !errors.As(err, &expired) {
				t.Fatalf("a cursor whose event is gone: %v", err)
			}
			all, _, err := s.history(expired.Oldest)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "from the oldest", all, kept)
		}
	}
}

// Append returns the cursor of the event.
func TestAppend_cursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "events.log")
	w := open(t, path, Options{})
	appended := make([]string, 5)
	for i := range appended {
		cursors, err := store.Cursors(w.Append(context.Background(), []events.Event{event(i)}))
		if err != nil {
			t.Fatal(err)
		}
		appended[i] = cursors[0]
	}
	_, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "cursors", appended, cursors)
	equal(t, "followed", w.names(5), namesOf(0, 5))
}

// An own log is set aside within its bound.
func TestAppend_setAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{MaxSize: 4000})
	for i := range 100 {
		if _, err := store.Cursors(w.Append(context.Background(), []events.Event{event(i)})); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "followed", w.names(100), namesOf(0, 100))
	var size int64
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		info, _ := e.Info()
		size += info.Size()
	}
	if size > 4000 {
		t.Errorf("the log takes %d bytes", size)
	}
	names, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "history", names, namesOf(100-len(names), 100))
	if len(names) < 20 {
		t.Errorf("only %d events are kept", len(names))
	}
	again := open(t, path, Options{MaxSize: 4000})
	rest, _, err := again.history(cursors[5])
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "after a restart", rest, names[6:])
	if w.losses() != 0 {
		t.Fatal("continuity was lost")
	}
}

// A line that is not an event is counted; the rest is delivered.
func TestFollow_notAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, lineOf(0)+"garbage\n"+"\x00\x00\n"+lineOf(1)[:30]+lineOf(2)+"{}\n"+lineOf(3)+strings.Repeat("x", 5<<20)+"\n"+lineOf(4)+`{"Name":"torn`)
	w := open(t, path, Options{})
	for range 2 {
		names, _, err := w.history("")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "history", names, []string{"v0", "v2", "v3", "v4"})
	}
	if s := w.Status(); s.Skipped != 5 || !strings.Contains(s.LastSkipped, "byte") {
		t.Errorf("skipped %d, %s", s.Skipped, s.LastSkipped)
	}
	if _, err := store.Cursors(w.Append(context.Background(), []events.Event{event(5)})); err != nil {
		t.Fatal(err)
	}
	names, _, _ := w.history("")
	equal(t, "history", names, []string{"v0", "v2", "v3", "v4", "v5"})
	if s := w.Status(); s.Skipped != 6 {
		t.Errorf("skipped %d, %s", s.Skipped, s.LastSkipped)
	}
}

func TestCursor_equalEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	period := linesOf(0, 40)
	w := open(t, path, Options{}) // which sees that the file is the first, and so that nothing was cut off it
	appendTo(t, path, strings.Repeat(period, 50)+strings.Repeat(lineOf(50), 300))
	names, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	unique := make(map[string]bool)
	for _, c := range cursors {
		unique[c] = true
	}
	if len(unique) != len(names) || len(names) != 2300 {
		t.Fatalf("%d cursors for %d events", len(unique), len(names))
	}
	for _, i := range []int{0, 39, 40, 1000, 1999, 2000, 2001, 2299} {
		rest, _, err := w.history(cursors[i])
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if len(rest) != 2299-i {
			t.Fatalf("after %d: %d events", i, len(rest))
		}
	}
}

// A log that is replaced is followed.
func TestFollow_replaced(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, path string){
		"deleted":         func(t *testing.T, path string) { _ = os.Remove(path) },
		"moved away":      func(t *testing.T, path string) { _ = os.Rename(path, path+".1") },
		"moved elsewhere": func(t *testing.T, path string) { _ = os.Rename(path, filepath.Join(t.TempDir(), "x")) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(0, 5))
			w := open(t, path, Options{})
			appendTo(t, path, linesOf(5, 8))
			replace(t, path)
			appendTo(t, path, linesOf(8, 10))
			equal(t, "followed", w.names(5), namesOf(5, 10))
			if w.losses() != 0 {
				t.Error("continuity was lost")
			}
		})
	}
}

// A log truncated in place is a loss.
func TestFollow_truncated(t *testing.T) {
	for _, behind := range []int{0, 2, 30} {
		path := filepath.Join(t.TempDir(), "events.log")
		appendTo(t, path, linesOf(0, 5))
		w := open(t, path, Options{})
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, linesOf(100, 100+behind))
		equal(t, "followed", w.names(behind), namesOf(100, 100+behind))
		_ = w.Look()
		if w.losses() != 1 {
			t.Errorf("%d behind: %d losses", behind, w.losses())
		}
	}
}

func TestFollow_unseenGenerations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 10))
	w := open(t, path, Options{})
	w.follower.arrivals.mu.Lock() // what notes what appears at the path is held up
	n := 10
	for range 5 {
		appendTo(t, path, linesOf(n, n+10))
		n += 10
		rotate(t, path, 1)
	}
	w.follower.arrivals.mu.Unlock()
	if err := w.Look(); err != nil {
		t.Fatal(err)
	}
	if w.losses() != 1 {
		t.Errorf("%d losses", w.losses())
	}
}

// A log that comes later is read from its start.
func TestFollow_logComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "events.log")
	w := open(t, path, Options{})
	names, _, err := w.history("")
	if err != nil || len(names) != 0 {
		t.Fatal(names, err)
	}
	r, err := w.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	origin, err := r.Cursor()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(0, 3))
	equal(t, "followed", w.names(3), namesOf(0, 3))
	// Only the store that saw the file appear can know that it was the first.
	if names, gone := w.at(origin); gone != (w.losses() > 0) || !gone && len(names) != 3 {
		t.Errorf("after the origin: %v, gone: %v", names, gone)
	}
	if names, gone := open(t, path, Options{}).at(origin); !gone {
		t.Errorf("after the origin of another process: %v", names)
	}
}
