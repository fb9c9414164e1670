package logfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

const collectedLines = `{"Name":"a","Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":null,"UID":1000,"Host":"h7","Cursor":"c1"}
{"Name":"b","Status":"start","Time":"2026-01-02T03:04:06Z","Type":"container","Attributes":null,"Host":"h8","Cursor":"c2"}
{"Name":"c","Status":"start","Time":"2026-01-02T03:04:07Z","Type":"container","Attributes":null}
`

// The lines of a collected log name their host and user; the same lines in a log
// of Podman name nobody: there it is the owner of the file.
func TestCollected_originOfLines(t *testing.T) {
	for _, collected := range []bool{true, false} {
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
		if !collected {
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
		if collected && (err != nil || rec.Host != "h8") || !collected && !errors.Is(err, events.ErrEventNotFound) {
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
