package logfile

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

// lineWith returns the line of the nth event with labels, and with inspect data.
func lineWith(n, labels, labelLength, inspect int) string {
	e := event(n)
	if labels > 0 {
		e.Attributes = make(map[string]string, labels)
		for i := range labels {
			e.Attributes[fmt.Sprintf("k%d", i)] = strings.Repeat("v", labelLength)
		}
	}
	e.ContainerInspectData = strings.Repeat(`{"a":"b"}`, inspect/9)
	s, err := e.ToJSONString()
	if err != nil {
		panic(err)
	}
	return s + "\n"
}

// What is longer than an event may be is left out or delivered without its
// labels, and counted, by whichever way it is read; the rest is delivered.
func TestBounds(t *testing.T) {
	for name, try := range map[string]struct {
		line    string
		isThere bool
		isCut   bool // it is without its labels
	}{
		"inspect data of 800 kB":         {line: lineWith(1, 3, 3, 800_000), isThere: true},
		"as many labels as are served":   {line: lineWith(1, limits.Labels, 3, 0), isThere: true},
		"one more label":                 {line: lineWith(1, limits.Labels+1, 3, 0), isThere: true, isCut: true},
		"labels that are too long":       {line: lineWith(1, 100, limits.LabelsLength/100, 0), isThere: true, isCut: true},
		"300,000 labels":                 {line: lineWith(1, 300_000, 1, 0), isThere: true, isCut: true},
		"the same in another form":       {line: strings.Replace(lineWith(1, 5000, 3, 0), `"Name"`, `"nAME"`, 1), isThere: true, isCut: true},
		"too long in another form":       {line: strings.Replace(lineWith(1, 0, 0, limits.OddLine), `"Name"`, `"nAME"`, 1)},
		"too many in another form":       {line: strings.Replace(lineWith(1, 100_000, 1, 0), `"Name"`, `"nAME"`, 1)},
		"longer than a line may be":      {line: lineWith(1, 0, 0, limits.Line)},
		"many times longer":              {line: lineWith(1, 0, 0, 4*limits.Line)},
		"nested objects before an event": {line: strings.Repeat(`{"a":`, 100_000) + lineOf(1), isThere: true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			w := open(t, path, Options{})
			appendTo(t, path, lineOf(0)+try.line+linesOf(2, 4))
			want := []string{"v0", "v1", "v2", "v3"}
			if !try.isThere {
				want = []string{"v0", "v2", "v3"}
			}
			equal(t, "followed", w.names(len(want)), want)
			all, cursors, err := w.history("")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "read", all, want)
			for i, cursor := range cursors {
				if w.got[i].Event().Cursor != cursor {
					t.Error("a follower gets another cursor")
				}
				if rest, gone := w.at(cursor); gone || len(rest) != len(all)-1-i {
					t.Errorf("after %s: %v, gone: %v", all[i], rest, gone)
				}
			}
			if try.isThere {
				if e := w.got[1].Event(); (len(e.Attributes) == 0) != (try.isCut || !strings.Contains(try.line, "k0")) {
					t.Errorf("it has %d labels", len(e.Attributes))
				}
			}
			status := w.Status()
			isWhole := try.isThere && !try.isCut && !strings.HasPrefix(try.line, `{"a"`)
			if (status.Skipped == 0) != isWhole || status.Skipped > 1 {
				t.Errorf("%d were counted as left out: %s", status.Skipped, status.LastSkipped)
			}
			t.Log(status.LastSkipped)
		})
	}
}

// A log with the lines that are hardest to read, and one that does not end, is read and
// written to like any other.
func TestBounds_work(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{})
	labels := lineWith(1, 300_000, 1, 0)
	odd := strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000) + "\n"
	for range 5 {
		appendTo(t, path, labels+odd)
	}
	part := strings.Repeat("x", 1<<20)
	for range 16 {
		appendTo(t, path, part)
		_ = w.Look()
	}
	appendTo(t, path, "\n"+lineOf(2))
	w.names(6)
	if _, err := store.Cursors(w.Append(context.Background(), []events.Event{event(3)})); err != nil {
		t.Error(err)
	}
	if got := w.Status(); got.Skipped != 11 {
		t.Errorf("%d lines were left out, or labels: %s", got.Skipped, got.LastSkipped)
	}
	if !bytes.HasSuffix(w.got[5].Line, []byte("}")) {
		t.Error("the last event is not whole")
	}
}
