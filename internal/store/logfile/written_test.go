package logfile

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// TestWritten_fromMemoryAsRead writes normal and unusual events, which are delivered
// without being read back, and compares them with what is read.
func TestWritten_fromMemoryAsRead(t *testing.T) {
	s, err := Open(Options{Path: filepath.Join(t.TempDir(), "events.log")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var told []store.Record
	if _, _, err := s.Follow(func(e store.Emission) { told = append(told, e.Records...) }); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 5e8, time.FixedZone("", 3600))
	usual := events.Event{Type: events.Container, Status: events.Exited, ContainerExitCode: new(137), ID: "b1", Name: "müller", Image: "i", Time: at}
	usual.Attributes = map[string]string{"a": "b", "c": ""}
	batch := []events.Event{
		usual, usual,
		{Type: events.Pod, Status: events.Create, Time: at, Details: events.Details{Attributes: map[string]string{}}},
		{Type: events.Volume, Status: events.Create, Name: "<\"\\\n>", Time: at},
		{Type: events.Volume, Status: events.Create, Name: "a\x00b\xff", Time: at},
		{Type: "word", Status: "of a newer Podman", Error: "e", HealthFailingStreak: 1 << 40, Time: at.AddDate(500, 0, 0)},
		{Type: events.Volume, Status: events.Create, Time: at, Extra: map[string]json.RawMessage{"more": json.RawMessage(`{"a":[1]}`)}},
	}
	var cursors []string
	for range 2 {
		some, err := store.Cursors(s.Append(context.Background(), batch))
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, some...)
	}
	r, err := s.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for {
		var b store.Batch
		if err := r.Next(context.Background(), &b); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			if n >= len(told) || !reflect.DeepEqual(told[n], b.Records[i]) || cursors[n] != string(b.Records[i].Cursor) {
				t.Fatalf("event %d is %+v, with the cursor %s; read was %+v", n, told[n], cursors[n], b.Records[i])
			}
			n++
		}
	}
	if n != 2*len(batch) || len(told) != n {
		t.Errorf("%d events were read and %d told, want %d", n, len(told), 2*len(batch))
	}
}
