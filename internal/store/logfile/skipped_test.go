package logfile

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// Garbage does not flood the log of the service.
func TestSkipped_logBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, "")
	var said bytes.Buffer // the store is read only while its lock is held
	w := open(t, path, Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	const lines = 5000
	appendTo(t, path, strings.Repeat("garbage\n", lines)+lineOf(1))
	equal(t, "followed", w.names(1), namesOf(1, 2))
	if skipped := w.Status().Skipped; skipped != lines {
		t.Errorf("%d lines are counted as left out, and not %d", skipped, lines)
	}
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	told := strings.Count(said.String(), "left out a line")
	if told < skipBurst || told > 10*skipBurst { // should it take longer than one pause
		t.Errorf("%d lines are logged", told)
	}
}
