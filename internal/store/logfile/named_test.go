package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
