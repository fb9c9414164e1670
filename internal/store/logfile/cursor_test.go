package logfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// at reads after the cursor and says what an error says of it.
func (w *watched) at(cursor string) (names []string, gone bool) {
	w.t.Helper()
	names, _, err := w.history(cursor)
	var expired *events.ExpiredError
	var invalid *events.CursorError
	if err != nil && !errors.As(err, &expired) && !errors.As(err, &invalid) {
		w.t.Fatalf("%q: %v", cursor, err)
	}
	return names, err != nil
}

// A mangled cursor is never another place.
func TestCursor_mangled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 5)+strings.Repeat(lineOf(7), 12)+linesOf(8, 15))
	w := open(t, path, Options{})
	all, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 5, 10, 16, len(all) - 1} {
		cursor := cursors[i]
		for at := range cursor {
			for _, c := range []byte("0123456789abcXYZ-_.@ \x00\xff") {
				mangled := cursor[:at] + string([]byte{c}) + cursor[at+1:]
				if mangled == cursor {
					continue
				}
				if rest, gone := w.at(mangled); !gone {
					equal(t, fmt.Sprintf("%s for %s", mangled, cursor), rest, all[i+1:])
				}
			}
			if rest, gone := w.at(cursor[:at]); !gone && at > 0 {
				equal(t, fmt.Sprintf("%s for %s", cursor[:at], cursor), rest, all[i+1:])
			}
		}
	}
}

func TestCursor_oneSpelling(t *testing.T) {
	for _, c := range []cursor{
		{kind: kindAfter, id: identity{time: 1, hash: 2, twin: 3}, genID: 4},
		{kind: kindBefore, id: identity{time: 1, hash: 2}, hinted: true, hint: hint{genID: 5, off: 678}},
		{kind: kindOrigin, genID: 4, hinted: true, hint: hint{genID: 5}},
		{kind: kindAfter, id: identity{time: 1, hash: 2, twin: 3}, genID: 4, hinted: true, hint: hint{genID: 5, off: 6}},
	} {
		text := string(appendCursor(nil, c))
		if again, err := parseCursor(text); err != nil || again != c {
			t.Fatalf("%s is %+v, %v, not %+v", text, again, err, c)
		}
		for at := range text {
			for _, more := range []string{"0", "00", "+", "-", " ", "_", "=", "\n", "\r"} {
				// Another offset is another hint, which is proved before it is believed.
				other := text[:at] + more + text[at:]
				if got, err := parseCursor(other); err == nil && (got.id != c.id || got.hint == c.hint) {
					t.Errorf("%s is taken for %s", other, text)
				}
			}
		}
		for _, end := range []string{"@", "=", "\n", ".", "@AAAAAAAAAAA.00"} {
			if _, err := parseCursor(text + end); err == nil {
				t.Errorf("%q is taken for %s", text+end, text)
			}
		}
	}
	// Nor is one with line ends in it, which base64 leaves out, though the check be right.
	head := "fa" + strings.Repeat("A", 20) + "\n\r"
	sum := check([]byte(head), nil)
	if _, err := parseCursor(head + string(sum[:])); err == nil {
		t.Error("a cursor of fewer bytes is taken")
	}
	// The number of a twin is inside the check, so that only its maker can misspell it.
	head = string(appendCursor(nil, cursor{kind: kindAfter, id: identity{time: 1, hash: 2}}))[:2+idLength]
	for _, twin := range []string{".0.AAAAAAAAAAA", ".01.AAAAAAAAAAA", ".+1.AAAAAAAAAAA"} {
		sum = check([]byte(head), []byte(twin))
		if _, err := parseCursor(head + string(sum[:]) + twin); err == nil {
			t.Errorf("a cursor whose twin is %s is taken", twin)
		}
	}
}

func TestCursor_beforeTheFirstEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, "")
	w := open(t, path, Options{})
	r, err := w.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	origin, err := r.Cursor()
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(0, 5))
	w.names(5)
	if names, gone := w.at(origin); gone || len(names) != 5 {
		t.Fatal(names, gone)
	}
	if err := os.WriteFile(path, []byte(linesOf(10, 12)), 0o600); err != nil {
		t.Fatal(err)
	}
	if names, gone := w.at(origin); !gone {
		t.Fatal(names)
	}
}

// A cursor of an event of any time is found again.
func TestCursor_anyTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	stamps := []string{
		"0001-01-01T00:00:01Z", "1600-02-03T04:05:06.5+01:00", "1677-09-21T00:12:43.145224192Z", "1969-12-31T23:59:59.999999999Z",
		"2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59.123Z",
	}
	for i, stamp := range stamps {
		appendTo(t, path, strings.Replace(lineOf(i), event(i).Time.Format(time.RFC3339Nano), stamp, 1))
	}
	w := open(t, path, Options{})
	all, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "read", all, namesOf(0, len(stamps)))
	for i, cursor := range cursors {
		if rest, gone := w.at(cursor); gone || len(rest) != len(all)-1-i {
			t.Errorf("after %s: %v, gone: %v", stamps[i], rest, gone)
		}
	}
}

// Many equal events are searched in reasonable time.
func TestCursor_manyEqualEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	const total = 20000
	w := open(t, path, Options{})
	appendTo(t, path, strings.Repeat(lineOf(7), total))
	_, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	began := cpuTime() // not by the clock: the machine may be busy
	for _, i := range []int{0, total / 2, total - 1} {
		if rest, gone := w.at(cursors[i]); gone || len(rest) != total-1-i {
			t.Errorf("after %d: %d events, gone: %v", i, len(rest), gone)
		}
	}
	if took := cpuTime() - began; took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Podman's reader takes a comma before the fraction of a second, an hour of one
// digit and a zone of a day. What it reads is an event here, too, and its cursor is
// found again.
func TestCursor_timesThatPodmanReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	stamps := []string{
		"2026-11-23T16:15:21,5Z", "2026-11-23T16:15:21,123456789+01:00", "2026-11-23T6:15:21.25Z", "2026-11-23T16:15:21.5+24:00",
		"2026-11-23T16:15:21.5-23:60", "2026-11-23T16:15:21.1234567891234Z", "2026-11-23T16:15:21,Z",
	}
	var want []string
	for i, stamp := range stamps {
		text := strings.Replace(lineOf(i), event(i).Time.Format(time.RFC3339Nano), stamp, 1)
		appendTo(t, path, text)
		// Podman's reader is encoding/json with a time.Time.
		if json.Unmarshal([]byte(text), new(struct{ Time time.Time })) == nil {
			want = append(want, event(i).Name)
		}
	}
	w := open(t, path, Options{})
	all, cursors, err := w.history("")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "read", all, want)
	for i, cursor := range cursors {
		if rest, gone := w.at(cursor); gone || len(rest) != len(all)-1-i {
			t.Errorf("after %s: %v, gone: %v", all[i], rest, gone)
		}
	}
}

// The first of equal events at the start of a file may be the second of those that
// there were: it is not taken for the one that a cursor names unless the store saw
// the file begin.
func TestCursor_equalEventsAtTheStart(t *testing.T) {
	for _, seen := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "events.log")
		w := open(t, path, Options{})
		appendTo(t, path, strings.Repeat(lineOf(1), 8)+linesOf(2, 3))
		_, cursors, err := w.history("")
		if err != nil {
			t.Fatal(err)
		}
		if !seen {
			rotate(t, path, 0) // as Podman 4.3, without a marker
			w = open(t, path, Options{})
		}
		if rest, gone := w.at(cursors[0]); gone == seen {
			t.Errorf("seen %v: %v, gone: %v", seen, rest, gone)
		}
	}
}
