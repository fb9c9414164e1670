package logfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/eventsvc/eventsvc/internal/store"
)

// uids reads the users of all events, by a query for those of one user or, with
// store.AnyUID, of all.
func (w *watched) uids(of int64) (uids []int64) {
	w.t.Helper()
	q := store.Everything()
	q.UID = of
	r, err := w.Read(context.Background(), store.Start{}, q)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	var b store.Batch
	for err == nil {
		err = r.Next(context.Background(), &b)
		for i := range b.Records {
			uids = append(uids, b.Records[i].UID)
		}
	}
	if !errors.Is(err, io.EOF) {
		w.t.Fatal(err)
	}
	return uids
}

// What is written after the log was given to another user is of that user, for
// followers and for those who read the past, by either way there is.
func TestOwner_changes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a file away takes root")
	}
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 4000))
	if err := os.Chown(path, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	w := open(t, path, Options{})
	for _, indexed := range []bool{false, true} {
		if indexed {
			w.indexer.index(nil)
		}
		if got := w.uids(1234); len(got) != 4000 {
			t.Fatalf("indexed %v: the owner sees %d events", indexed, len(got))
		}
	}
	if err := os.Chown(path, 0, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, lineOf(4000))
	w.names(1)
	if w.got[0].UID != 0 {
		t.Errorf("a follower gets an event of the user %d", w.got[0].UID)
	}
	if got := w.uids(1234); len(got) != 0 {
		t.Errorf("the former owner sees %d events", len(got))
	}
	if got := w.uids(0); len(got) != 4001 {
		t.Errorf("the owner sees %d events", len(got))
	}
	q := store.Everything()
	var b store.Batch
	if r, err := w.Last(context.Background(), q, &b); err != nil || r.UID != 0 {
		t.Errorf("the last event: %+v, %v", r, err)
	}
}

// The user of an event is not known where others than the owner may write.
func TestOwner_severalMayWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 3))
	w := open(t, path, Options{})
	own := int64(os.Geteuid())
	for i, try := range []struct {
		mode os.FileMode
		uid  int64
	}{{0o600, own}, {0o620, unknownUID}, {0o644, own}, {0o602, unknownUID}, {0o666, unknownUID}, {0o755, own}} {
		if err := os.Chmod(path, try.mode); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, lineOf(3+i))
		w.names(i + 1)
		w.mu.Lock()
		if got := w.got[i].UID; got != try.uid {
			t.Errorf("mode %o: a follower gets an event of the user %d, want %d", try.mode, got, try.uid)
		}
		w.mu.Unlock()
		if got := w.uids(store.AnyUID); len(got) != 4+i || got[0] != try.uid {
			t.Errorf("mode %o: events of %v, want %d", try.mode, got, try.uid)
		}
	}
}
