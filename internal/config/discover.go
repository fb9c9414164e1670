package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
)

// podmanMaxSize is Podman's default of events_logfile_max_size, in bytes.
const podmanMaxSize = 1000000

// Store is the event store to read and write, and the reasons for it.
type Store struct {
	// Backend is File, Journald or None.
	Backend string
	// Path is the absolute path of the log file; "" unless Backend is File. Neither the
	// file nor its directory need exist.
	Path string
	// MaxSize bounds the log file, in bytes. For a shared log it is the size at which
	// Podman rotates it, 0 if it never does; for eventsvc's own log it is 0: the caller
	// decides.
	MaxSize int64
	// Shared: the store is Podman's (or the system's journal). Other programs write to
	// it, and eventsvc must not rotate it.
	Shared bool
	// Because says what determined the backend, the path and the size, one line each,
	// with the file and line, or the default. Before those are lines for files that
	// could not be read.
	Because []string
	// Files are the containers.conf files that were read, in order: a later one wins.
	Files []string
	// Podman reports whether the podman command was found, and Release its release.
	Podman  bool
	Release Release
}

// Discover returns the store that the host's Podman uses, or one of eventsvc's own on a
// host without Podman: one without a podman command, without an event setting in any
// containers.conf, and without an event log at Podman's default path. (A
// containers.conf alone proves nothing: Buildah and Skopeo install one, too.)
func Discover(env Environment) (Store, error) { return DiscoverBackend(env, Auto) }

// DiscoverBackend is Discover for a caller that knows the backend and wants the rest,
// such as the path for File. Auto and "" leave the backend to Discover; a word that is
// not a backend is an error.
func DiscoverBackend(env Environment, backend string) (Store, error) {
	asked := ""
	if backend != "" && backend != Auto {
		var err error
		if asked, err = parseBackend(backend); err != nil {
			return Store{}, refuse("choose a store", err, "name "+strings.Join(backends, ", ")+" or "+Auto)
		}
	}
	release, installed := env.podman()
	store := Store{Podman: installed, Release: release}
	found, err := store.read(env)
	if err != nil {
		return Store{}, err
	}

	fallback, leftover := "", false
	if !installed && !found.speakOfEvents() {
		if fallback, leftover = defaultLog(env, release); !leftover {
			return store.own(env, asked, fallback)
		}
	}
	switch {
	case asked != "":
		store.choose(asked, "asked for by name")
	case found.logger.value != "":
		named, err := parseBackend(found.logger.value)
		if err != nil {
			return Store{}, refuse("use "+found.logger.origin.String(), err, "write "+quoted(backends)+", Podman stops there too")
		}
		store.choose(named, found.logger.origin.String())
	case leftover:
		store.choose(File, "Podman's log "+fallback+" is there, though the podman command is not")
	default:
		store.choose(defaultBackend(env, release))
	}
	store.Shared = store.Backend != None
	if store.Backend != File {
		return store, nil
	}
	if err := store.findLog(env, found); err != nil {
		return Store{}, err
	}
	return store, nil
}

// read merges all files in Podman's order and records them.
func (s *Store) read(env Environment) (settings, error) {
	list, err := sources(env, s.Release)
	if err != nil {
		return settings{}, err
	}
	var merged settings
	for _, source := range list {
		text, found, err := source.content(env)
		if errors.Is(err, errHidden) {
			s.Because = append(s.Because, "taken as absent: "+source.path+", which this process may not look at")
			continue
		}
		if err != nil {
			return settings{}, err
		}
		if !found {
			continue
		}
		said, err := parse(source.path, text)
		if err != nil {
			return settings{}, err
		}
		merged.overlay(said)
		s.Files = append(s.Files, source.path)
	}
	return merged, nil
}

// choose sets the backend and the reason.
func (s *Store) choose(backend, why string) {
	s.Backend = backend
	s.Because = append(s.Because, fmt.Sprintf("backend %s: %s", backend, why))
}

// findLog fills in the log file of the host's Podman and its size.
func (s *Store) findLog(env Environment, found settings) error {
	var why string
	switch {
	case found.path.value != "":
		if err := absolute(found.path); err != nil {
			return err
		}
		s.Path, why = filepath.Clean(found.path.value), found.path.origin.String()
	case found.tmpDir.value != "":
		if err := absolute(found.tmpDir); err != nil {
			return err
		}
		s.Path, why = logBelow(found.tmpDir.value), found.tmpDir.origin.String()
	default:
		dir, err := podmanTmpDir(env, s.Release)
		if err != nil {
			return errors.WithMessage(err, "cannot find Podman's event log")
		}
		s.Path, why = logBelow(dir), "Podman's default for root"
		if env.rootless() {
			why = fmt.Sprintf("Podman's default for uid %d", env.UID)
		}
	}
	s.Because = append(s.Because, fmt.Sprintf("log %s: %s", s.Path, why))

	switch {
	case !s.Release.has(rotationSince):
		why = "Podman " + s.Release.String() + " knows no rotation"
	case found.maxSize.isSet():
		s.MaxSize, why = found.maxSize.value, found.maxSize.origin.String()
	default:
		s.MaxSize, why = podmanMaxSize, "Podman's default"
	}
	limit := "never rotated"
	if s.MaxSize > 0 {
		limit = fmt.Sprintf("rotated by Podman at %d bytes", s.MaxSize)
	}
	s.Because = append(s.Because, limit+": "+why)
	return nil
}

// own completes the store for a host without Podman. lookedAt is where Podman's log
// would have been, "" if there is no such path.
func (s Store) own(env Environment, asked, lookedAt string) (Store, error) {
	if asked != "" && asked != File {
		s.Shared = asked == Journald
		s.choose(asked, "asked for by name")
		return s, nil
	}
	path, err := ownLog(env)
	if err != nil {
		return Store{}, err
	}
	why := "there is no Podman here (no podman command, no event setting in containers.conf"
	if lookedAt != "" {
		why += ", no " + lookedAt
	}
	why += ")"
	if asked != "" {
		s.choose(File, "asked for by name")
	} else {
		s.choose(File, why)
	}
	s.Path = path
	s.Because = append(s.Because, fmt.Sprintf("log %s: eventsvc's own, as %s", path, why))
	return s, nil
}

// defaultLog returns the default path of Podman's log, and whether it exists.
func defaultLog(env Environment, release Release) (path string, there bool) {
	dir, err := podmanTmpDir(env, release)
	if err != nil {
		return "", false
	}
	path = logBelow(dir)
	return path, env.exists(path)
}

func logBelow(tmpDir string) string { return filepath.Join(tmpDir, "events", logName) }

// absolute refuses a relative path.
func absolute(path entry[string]) error {
	if filepath.IsAbs(path.value) {
		return nil
	}
	return refuse("use "+path.origin.String(), errors.Errorf("%q is a relative path", path.value),
		"write an absolute path, which means the same to every process")
}

func quoted(words []string) string {
	return `"` + strings.Join(words, `", "`) + `"`
}
