// Package journald is the store in the systemd journal, where Podman writes its events
// on most hosts: entries with the identifier "podman" and fields PODMAN_*.
//
// It promises that it returns what Podman wrote, in the order of the journal, each
// event once, across rotation, vacuum, a flush to /var and restarts of journald; and
// that the events for which Append returned success are in the journal. What has been
// vacuumed is reported (*events.ExpiredError, Emission.Lost).
//
// It is built with the tag systemd and cgo. libsystemd is loaded when a journal is
// opened, so that the program also starts on hosts without it. In other builds, Open
// returns an error that says what is missing.
//
// Package sdjournal, which knows nothing of Podman, reads the files. An entry is what
// journald stores; most entries of podman are events. The mark is the position up to
// which the store has been followed: everything after it in the journal's order was
// written later.
package journald

import (
	"log/slog"
	"time"
)

// Options say which journal to open and how.
type Options struct {
	// Directory is a directory with journal files, as created by
	// systemd-journal-remote; its events have the name of their host, and it is
	// read-only. Empty: the journal of this host.
	Directory string
	// Interval is how often a followed journal is checked: journald itself announces
	// new entries only every 250 ms; 0: DefaultInterval.
	Interval time.Duration
	// Logger gets the store's log messages; nil: they are dropped.
	Logger *slog.Logger
}

// DefaultInterval delays an event by half of it on average.
const DefaultInterval = 10 * time.Millisecond
