package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// A path that was given by hand and leads into no directory is a fault, until the
// directory is there.
func TestStatus_directoryOfNamedLogMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "typo")
	for _, named := range []bool{false, true} {
		s, err := Open(Options{Path: filepath.Join(dir, "events.log"), Named: named})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if fault := s.Status().Fault; strings.Contains(fault, "there is no directory "+dir) != named {
			t.Errorf("named %v: the fault is %q", named, fault)
		}
		if !named {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if fault := s.Status().Fault; fault != "" {
			t.Errorf("with the directory the fault is %q", fault)
		}
	}
}

// So is a file that is clearly something else, until there is an event in it.
func TestStatus_namedLogIsOtherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(path, []byte("buy milk\n\nand bread\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Path: path, Named: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if fault := s.Status().Fault; !strings.Contains(fault, path+" is probably not an event log") {
		t.Errorf("the fault is %q", fault)
	}
	if _, err := store.Cursors(s.Append(t.Context(), []events.Event{{Type: events.Volume, Status: events.Create, Name: "a", Time: time.Now()}})); err != nil {
		t.Fatal(err)
	}
	if fault := s.Status().Fault; fault != "" {
		t.Errorf("with an event the fault is %q", fault)
	}
}
