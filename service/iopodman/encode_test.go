package iopodman

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/line"
)

// scan makes a record of a line, as a store does.
func scan(t testing.TB, text string) *feed.Record {
	t.Helper()
	r := &feed.Record{Line: []byte(text)}
	if !line.Scan(r.Line, &r.Fields) {
		normal, err := line.Normalize(r.Line, &r.Fields)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		r.Line = normal
	}
	return r
}

// sampleLines returns the lines of all logs that real Podmans wrote.
func sampleLines(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("../../events/testdata/*.log")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	var lines []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return lines
}

// An event goes out as six strings.
func TestEncode_sixStrings(t *testing.T) {
	for _, text := range sampleLines(t) {
		var want struct{ ID, Image, Name, Status, Time, Type string }
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Parameters struct{ Events map[string]string }
			Continues  *bool
		}
		frame, end := strings.CutSuffix(string(appendEventFrame([]byte("in front"), scan(t, text))), "\x00")
		frame, found := strings.CutPrefix(frame, "in front")
		if err := json.Unmarshal([]byte(frame), &got); err != nil || !end || !found {
			t.Fatalf("%s: %v", frame, err)
		}
		e := got.Parameters.Events
		if e["id"] != want.ID || e["image"] != want.Image || e["name"] != want.Name || e["status"] != want.Status ||
			e["time"] != want.Time || e["type"] != want.Type || len(e) != 6 || got.Continues == nil || !*got.Continues {
			t.Errorf("%s goes out as %s", text, frame)
		}
		only := string(appendOnlyFrame(nil, scan(t, text)))
		if only != strings.Replace(frame, `,"continues":true`, "", 1)+"\x00" {
			t.Errorf("alone it goes out as %s", only)
		}
	}
}

// Encoding an event takes no memory of its own.
func TestEncode_noAllocations(t *testing.T) {
	r := scan(t, sampleLines(t)[0])
	frame := make([]byte, 0, 4096)
	if allocs := testing.AllocsPerRun(100, func() { frame = appendEventFrame(frame[:0], r) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
