package cli

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/store/journald"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
)

// choice is the chosen store, and why.
type choice struct {
	daemon.Store
	because []string
}

// Bounds of eventsvc's own log, in bytes.
const (
	defaultMaxSize = 64e6
	// leastMaxSize leaves room for some events in each file that is set aside.
	leastMaxSize = 4e3
)

// chooseStore decides what to read and write, from the flags and from what the host's
// Podman does.
func chooseStore(f *serveFlags, env config.Environment) (*choice, error) {
	maxSize, err := parseSize(f.logMaxSize)
	if err != nil {
		return nil, err
	}
	sized := f.logMaxSize != ""
	if f.collected != notCollected && f.logFile == "" {
		return nil, errors.New("cannot use --collected without --log-file: it says what the log is; name the log of 'eventsvc collect', too")
	}
	if f.journalDirectory != "" {
		return chooseJournal(f)
	}
	if f.logFile != "" {
		return chooseFile(f, env, maxSize, sized)
	}
	found, err := config.DiscoverBackend(env, f.backend)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(f.backend, config.Auto) && found.Backend == config.Journald {
		if unsupported := journald.Supported(); unsupported != nil {
			if found, err = withoutJournal(env, found, unsupported); err != nil {
				return nil, err
			}
		}
	}
	c := &choice{daemon.Store{Backend: events.EventerType(found.Backend), Path: found.Path, Own: !found.Shared}, found.Because}
	switch {
	case c.Backend != events.LogFile && sized:
		return nil, errors.Errorf("cannot use --log-max-size: it limits a log file, and the backend is %s; leave it out", c.Backend)
	case c.Backend != events.LogFile:
		c.Own = false
	case !c.Own && sized:
		return nil, podmanRotates(c.Path)
	case c.Own && sized:
		c.MaxSize = maxSize
	case c.Own:
		c.MaxSize = defaultMaxSize
	}
	return c, nil
}

// withoutJournal chooses the log file on a host whose Podman uses the journal, which
// this build cannot read, and adds that to the reasons.
func withoutJournal(env config.Environment, journal config.Store, why error) (config.Store, error) {
	found, err := config.DiscoverBackend(env, config.File)
	found.Because = append(append(journal.Because, why.Error(),
		"so it takes the log file instead, where this host's Podman writes nothing unless events_logger is \"file\""), found.Because...)
	return found, err
}

// chooseJournal checks a directory of journals named by a flag.
func chooseJournal(f *serveFlags) (*choice, error) {
	if f.backend != config.Auto && !strings.EqualFold(f.backend, config.Journald) {
		return nil, errors.Errorf("cannot use --journal-directory: it names journals, and the backend is %s; leave one of them out", f.backend)
	}
	for flag, value := range map[string]string{"--log-file": f.logFile, "--log-max-size": f.logMaxSize} {
		if value != "" {
			return nil, errors.Errorf("cannot use --journal-directory and %s: there is one store; leave one of them out", flag)
		}
	}
	path, err := filepath.Abs(f.journalDirectory)
	if err != nil {
		return nil, errors.Wrapf(err, "cannot use --journal-directory %s", f.journalDirectory)
	}
	return &choice{daemon.Store{Backend: events.Journald, Path: path}, []string{"journals in " + path + ": asked for by name"}}, nil
}

func podmanRotates(path string) error {
	return errors.Errorf("cannot use --log-max-size: %s is Podman's log, which Podman rotates itself "+
		"(events_logfile_max_size in containers.conf); leave it out, or name a log of eventsvc's own with --log-file", path)
}

// chooseFile checks a log file named by a flag. Unless it has a size limit here, other
// programs may write and rotate it.
func chooseFile(f *serveFlags, env config.Environment, maxSize int64, sized bool) (*choice, error) {
	if f.backend != config.Auto && !strings.EqualFold(f.backend, config.File) {
		if _, err := config.DiscoverBackend(env, f.backend); err != nil {
			return nil, err // the word is not a backend
		}
		return nil, errors.Errorf("cannot use --log-file: it names a log file, and the backend is %s; leave one of them out", f.backend)
	}
	path, err := filepath.Abs(f.logFile)
	if err != nil {
		return nil, errors.Wrapf(err, "cannot use --log-file %s", f.logFile)
	}
	if f.collected != notCollected && sized {
		return nil, errors.New("cannot use --log-max-size with --collected: 'eventsvc collect' bounds its log; give it there")
	}
	if sized {
		if found, err := config.DiscoverBackend(env, config.File); err == nil && found.Shared && sameFile(found.Path, path) {
			return nil, podmanRotates(path)
		}
	}
	collected, err := parseCollected(f.collected)
	if err != nil {
		return nil, err
	}
	own := sized || collected != logfile.NotCollected
	st := daemon.Store{Backend: events.LogFile, Path: path, Own: own, Named: true, Collected: collected, MaxSize: maxSize}
	return &choice{st, []string{"log " + path + ": asked for by name"}}, nil
}

// The kinds of a collected log.
const (
	notCollected   = "no"
	collectedHosts = "hosts"
	collectedUsers = "users"
)

func parseCollected(kind string) (logfile.Collected, error) {
	switch kind {
	case notCollected:
		return logfile.NotCollected, nil
	case collectedHosts:
		return logfile.FromHosts, nil
	case collectedUsers:
		return logfile.FromUsers, nil
	}
	return 0, errors.Errorf("cannot use --collected %q: it says where the events of the log come from; give hosts, users or no", kind)
}

// sameFile reports whether two paths lead to the same place.
func sameFile(a, b string) bool {
	for _, path := range []*string{&a, &b} {
		if target, err := filepath.EvalSymlinks(*path); err == nil {
			*path = target
		}
	}
	return a == b
}

// supported returns why this build cannot open the store, nil if it can.
func (c *choice) supported() error {
	if err := c.Supported(); err != nil {
		return errors.Errorf("cannot read the journal (%s): %v; or let Podman log to a file (events_logger = \"file\" in "+
			"containers.conf), or choose --backend file", strings.Join(c.because, "; "), err)
	}
	return nil
}

// units are those of events_logfile_max_size in containers.conf.
var units = map[byte]int64{'k': 1e3, 'm': 1e6, 'g': 1e9}

// parseBytes parses a number of bytes, or one followed by k, m or g; ok is false for
// anything else.
func parseBytes(text string) (n int64, ok bool) {
	number, factor := strings.ToLower(text), int64(1)
	if unit, known := units[number[len(number)-1]]; known {
		number, factor = number[:len(number)-1], unit
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n * factor, err == nil && n >= 0 && n <= math.MaxInt64/factor
}

// parseSize parses the size of a log; "" is 0.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, ok := parseBytes(text)
	switch {
	case !ok:
		return 0, errors.Errorf("cannot understand --log-max-size %q: give a number of bytes, or one that ends in k, m or g", text)
	case n > 0 && n < leastMaxSize:
		return 0, errors.Errorf("cannot use --log-max-size %s: must be at least %dk; 0 means no bound", text, int(leastMaxSize/1e3))
	}
	return n, nil
}
