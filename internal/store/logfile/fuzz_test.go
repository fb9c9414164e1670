package logfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// FuzzCursor parses any text as a cursor. If it is not one, that is an error that says
// so. If it is, formatting it again gives the same text, and a reading after it begins
// at the start of a line, or gets an error that the place is gone.
func FuzzCursor(f *testing.F) {
	path := filepath.Join(f.TempDir(), "events.log")
	if err := os.WriteFile(path, []byte(linesOf(0, 20)+lineOf(7)+linesOf(20, 30)), 0o600); err != nil {
		f.Fatal(err)
	}
	s, err := Open(Options{Path: path})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	if _, here, err := s.Follow(func(store.Emission) {}); err != nil {
		f.Fatal(err)
	} else {
		f.Add(here)
	}
	r, err := s.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		f.Fatal(err)
	}
	var b store.Batch
	if err := r.Next(context.Background(), &b); err != nil {
		f.Fatal(err)
	}
	r.Close()
	places := make(map[int64]bool)
	for i := range b.Records {
		f.Add(string(b.Records[i].Cursor))
		places[b.Records[i].Pos.Offset] = true
	}
	places[0] = true
	f.Add("")
	f.Add("o")
	f.Fuzz(func(t *testing.T, text string) {
		tryCursor(t, s, places, text)
		// The same with a right check, which any program can make and no fuzzer guesses.
		if at := 2 + idLength; len(text) >= at+checkLength {
			rest, _, _ := strings.Cut(text[at+checkLength:], "@")
			sum := check([]byte(text[:at]), []byte(rest))
			tryCursor(t, s, places, text[:at]+string(sum[:])+text[at+checkLength:])
		}
	})
}

func tryCursor(t *testing.T, s *Store, places map[int64]bool, text string) {
	c, err := parseCursor(text)
	if err == nil {
		if again := string(appendCursor(nil, c)); again != text {
			t.Fatalf("%q is taken for the cursor %q", text, again)
		}
		if len(text) > 255 {
			t.Fatalf("a cursor of %d bytes is taken", len(text))
		}
	} else if bad := new(events.CursorError); !errors.As(err, &bad) {
		t.Fatalf("%q: %v", text, err)
	}
	if text == "" {
		return
	}
	r, err := s.Read(context.Background(), store.Start{After: text}, store.Everything())
	var bad *events.CursorError
	var expired *events.ExpiredError
	switch {
	case errors.As(err, &bad), errors.As(err, &expired):
	case err != nil:
		t.Fatalf("%q: %v", text, err)
	default:
		defer r.Close()
		if pos := r.Pos(); pos != (store.Pos{}) && !places[pos.Offset] {
			t.Fatalf("%q is the place %+v, in the middle of a line", text, pos)
		}
	}
}
