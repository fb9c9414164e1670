//go:build systemd && cgo

package journald

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// made returns a store in a journal that systemd-journal-remote made of events
// with these names, and begins to follow it.
func made(t *testing.T, names ...string) store.Store {
	t.Helper()
	const remote = "/lib/systemd/systemd-journal-remote"
	if _, err := os.Stat(remote); err != nil {
		testkit.Missing(t, remote, "test/peers/install.sh")
	}
	dir := t.TempDir()
	var export strings.Builder
	for i, name := range names {
		fmt.Fprintf(&export, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_HOSTNAME=h\n_UID=1000\n"+
			"SYSLOG_IDENTIFIER=podman\nPODMAN_TYPE=volume\nPODMAN_EVENT=create\nPODMAN_TIME=2026-03-04T05:06:%02dZ\nPODMAN_NAME=%s\n\n",
			1_772_600_760_000_000+i*1_000_000, i*1_000_000, i, name)
	}
	from := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(from, []byte(export.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(remote, "-o", filepath.Join(dir, "a.journal"), from).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", remote, err, out)
	}
	s, err := Open(Options{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns the names and the cursors of what is after a cursor.
func read(t *testing.T, s store.Store, after string) (names, cursors []string) {
	t.Helper()
	r, err := s.Read(t.Context(), store.Start{After: after}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b store.Batch
	for {
		err := r.Next(t.Context(), &b)
		if errors.Is(err, io.EOF) {
			return names, cursors
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			e := b.Records[i].Event()
			if e.UID == nil || *e.UID != 1000 || e.Host != "h" {
				t.Errorf("%s is of user %v on %q", e.Name, e.UID, e.Host)
			}
			names, cursors = append(names, e.Name), append(cursors, e.Cursor)
		}
	}
}

func TestRead_resumes(t *testing.T) {
	s := made(t, "a", "b", "c", "d")
	names, cursors := read(t, s, "")
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(names, want) {
		t.Fatalf("read %q, want %q", names, want)
	}
	for i, cursor := range cursors {
		if rest, _ := read(t, s, cursor); !slices.Equal(rest, names[i+1:]) {
			t.Errorf("after %s are %q, want %q", names[i], rest, names[i+1:])
		}
	}
}

// TestRead_badCursor: there is no reading beside an error, not even a nil one in
// an interface.
func TestRead_badCursor(t *testing.T) {
	s, other := made(t, "a"), made(t, "x", "y")
	_, cursors := read(t, other, "")
	for cursor, expired := range map[string]bool{
		"nonsense":                   false,
		cursors[1][:20]:              false,
		cursors[1]:                   true, // of another journal
		"faGOunMGhbLAEpFOF7H_Kq2Qx6": true, // of a log file
	} {
		r, err := s.Read(t.Context(), store.Start{After: cursor}, store.Everything())
		var gone *events.ExpiredError
		var bad *events.CursorError
		if r != nil || errors.As(err, &gone) != expired || errors.As(err, &bad) == expired {
			t.Errorf("%q: %v, %v", cursor, r, err)
		}
		if gone != nil {
			if names, _ := read(t, s, gone.Oldest); !slices.Equal(names, []string{"a"}) {
				t.Errorf("after 'oldest' are %q", names)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := s.Read(ctx, store.Start{}, store.Everything()); r != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: %v, %v", r, err)
	}
}

func TestLast(t *testing.T) {
	s := made(t, "a", "b")
	var b store.Batch
	for text, want := range map[string]string{"type=volume": "b", "name=a": "a", "name=c": ""} {
		q := store.Everything()
		var err error
		if q.Filters, err = filter.Parse([]string{text}); err != nil {
			t.Fatal(err)
		}
		rec, err := s.Last(t.Context(), q, &b)
		switch {
		case want == "" && !errors.Is(err, events.ErrEventNotFound):
			t.Errorf("%s: %v", text, err)
		case want != "" && (err != nil || rec.Event().Name != want):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
