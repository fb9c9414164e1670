// Package journald is the store in the systemd journal, where Podman writes its
// events on most hosts: entries of the identifier "podman" with fields PODMAN_*.
//
// It promises that what it reads is what Podman wrote, in the order of the
// journal, each event once, across rotation, vacuum, a flush to /var and
// restarts of journald; and that what Append returned for is in the journal.
// What has been vacuumed away is reported (*events.ExpiredError, Emission.Lost).
//
// It is built with the tag systemd and cgo. libsystemd is loaded when a journal
// is opened, so that such a program starts on hosts without it. Built otherwise,
// Open says what is missing.
//
// The files are read by package sdjournal, which knows nothing of Podman. An entry
// is what journald stores; an event is made of most entries of podman. The mark is
// the place up to which the store has been followed: whatever comes later in the
// order than the mark was written after it.
package journald

import (
	"log/slog"
	"time"
)

// Options say which journal to open and how.
type Options struct {
	// Directory is a directory with journal files, as systemd-journal-remote
	// makes them; its events carry the name of the host and it is not written
	// to. Empty: the journal of this host.
	Directory string
	// Interval is how often a journal that is followed is looked at: journald
	// itself announces what is new every 250 ms; 0: DefaultInterval.
	Interval time.Duration
	// Logger takes what the store has to say about itself; nil: it is dropped.
	Logger *slog.Logger
}

// DefaultInterval delays an event by half of it on average.
const DefaultInterval = 10 * time.Millisecond
