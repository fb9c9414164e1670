package fleet

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// After a write that failed nothing is written, since it would follow what is missing.
func TestGathering_failedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	file, err := OpenLog(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	sink := &Sink{collector: NewCollector(file, slog.New(slog.DiscardHandler))}
	g := newGathering(start{created: time.Now()})
	add := func(text string) {
		t.Helper()
		last, err := g.add(t.Context(), func(lines []byte, at *start, done *Counts) ([]byte, error) {
			at.seq++
			done.Events++
			return append(lines, text...), nil
		})
		if err != nil || !last {
			t.Fatalf("last %v, %v", last, err)
		}
	}
	add("one\n")
	if err := g.write(sink); err != nil {
		t.Fatal(err)
	}
	add("two\n")
	file.file.Close() // as a disk that is full for a moment
	if g.write(sink) == nil {
		t.Fatal("a write into a closed file succeeds")
	}
	if file.file, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	add("three\n")
	if g.write(sink) == nil {
		t.Error("a write after one that failed succeeds")
	}
	if text, _ := os.ReadFile(path); string(text) != "one\n" {
		t.Errorf("the log has %q", text)
	}
}
