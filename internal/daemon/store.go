package daemon

import (
	"log/slog"
	"strconv"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/journald"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/store/null"
)

// Store is the store that was chosen.
type Store struct {
	Backend events.EventerType
	// Path is that of the log file, or of a directory of journals; "": the journal of
	// the host.
	Path string
	// MaxSize bounds eventsvc's own log, in bytes; 0: no bound.
	MaxSize int64
	// Own, Named, Collected and Sync are those of logfile.Options.
	Own, Named bool
	Collected  logfile.Collected
	Sync       logfile.Sync
}

// IsFile reports whether the store is a log file.
func (s Store) IsFile() bool { return s.Backend == events.LogFile }

// IsForeign reports whether the store contains events of other hosts, or is of a kind
// that may: the log of a collector of hosts, a directory of journals.
func (s Store) IsForeign() bool {
	return s.Collected == logfile.FromHosts || s.Backend == events.Journald && s.Path != ""
}

// Supported returns why this build cannot open the store, nil if it can.
func (s Store) Supported() error {
	if s.Backend != events.Journald {
		return nil
	}
	return journald.Supported()
}

// String describes what is read and written.
func (s Store) String() string {
	switch {
	case s.Backend == events.Journald && s.Path != "":
		return "journals in " + s.Path
	case s.Backend == events.Journald:
		return "the journal of this host"
	case s.Backend != events.LogFile:
		return "backend " + string(s.Backend)
	case s.MaxSize > 0:
		return "log file " + s.Path + ", kept below " + strconv.FormatInt(s.MaxSize, 10) + " bytes"
	}
	return "log file " + s.Path
}

func (s Store) open(log *slog.Logger) (store.Store, error) {
	switch s.Backend {
	case events.Null:
		return new(null.Store), nil
	case events.Journald:
		return journald.Open(journald.Options{Directory: s.Path, Logger: log})
	}
	st, err := logfile.Open(logfile.Options{
		Path: s.Path, MaxSize: s.MaxSize, Own: s.Own, Named: s.Named, Collected: s.Collected, Sync: s.Sync, Logger: log,
	})
	if err != nil {
		return nil, err // a nil *logfile.Store in the interface would not be nil
	}
	return st, nil
}
