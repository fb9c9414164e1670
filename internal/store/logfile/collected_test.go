package logfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

const collectedLines = `{"Name":"a","Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":null,"UID":1000,"Host":"h7","Cursor":"c1"}
{"Name":"b","Status":"start","Time":"2026-01-02T03:04:06Z","Type":"container","Attributes":null,"Host":"h8","Cursor":"c2"}
{"Name":"c","Status":"start","Time":"2026-01-02T03:04:07Z","Type":"container","Attributes":null}
`

// The lines of a collected log name their host and user. In a log of Podman the same
// lines do not: there the user is the owner of the file.
func TestCollected_originOfLines(t *testing.T) {
	for _, collected := range []Collected{FromHosts, FromUsers, NotCollected} {
		path := filepath.Join(t.TempDir(), "events.log")
		if err := os.WriteFile(path, []byte(collectedLines), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Path: path, Collected: collected})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
			t.Fatal(err)
		}
		owner := int64(os.Getuid())
		wantHosts, wantUIDs := []string{"h7", "h8", ""}, []int64{1000, -1, -1}
		switch collected {
		case FromUsers:
			wantUIDs[0] = -1
		case NotCollected:
			wantHosts, wantUIDs = []string{"", "", ""}, []int64{owner, owner, owner}
		}
		query := store.Everything()
		for round := range 2 { // read in turn, and by the index
			r, err := s.Read(t.Context(), store.Start{}, query)
			if err != nil {
				t.Fatal(err)
			}
			var b store.Batch
			n := 0
			for {
				err := r.Next(t.Context(), &b)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for i := range b.Records {
					rec := &b.Records[i]
					if rec.Host != wantHosts[n] || rec.UID != wantUIDs[n] {
						t.Errorf("collected %v, round %d: record %d is of %q %d", collected, round, n, rec.Host, rec.UID)
					}
					n++
				}
			}
			r.Close()
			if n != 3 {
				t.Errorf("read %d records", n)
			}
			query.Filters = filtersOf(t, "type=container")
		}
		query = store.Everything()
		query.Filters = filtersOf(t, "host=h8")
		var b store.Batch
		rec, err := s.Last(t.Context(), query, &b)
		named := collected != NotCollected
		if named && (err != nil || rec.Host != "h8") || !named && !errors.Is(err, events.ErrEventNotFound) {
			t.Errorf("collected %v: the last event of h8: %v, %v", collected, rec, err)
		}
	}
}

func filtersOf(t *testing.T, filters ...string) *filter.Filters {
	t.Helper()
	f, err := filter.Parse(filters)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A collected log takes no event: only its collector knows where one would stand.
func TestCollected_writeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	s, err := Open(Options{Path: path, Collected: FromHosts, Own: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
		t.Fatal(err)
	}
	e := events.Event{Type: events.Container, Status: events.Start, Time: time.Now(), Name: "a"}
	_, err = store.Cursors(s.Append(t.Context(), []events.Event{e}))
	var refused *events.UnavailableError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "collected") {
		t.Errorf("the write got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the service has made the log of a collector")
	}
}
