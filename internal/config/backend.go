package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/nearest"
)

// The backends, in the words of events_logger and podman info.
const (
	// File is Podman's event log file, or eventsvc's own log.
	File = "file"
	// Journald is the systemd journal.
	Journald = "journald"
	// None keeps no events.
	None = "none"
	// Auto is not a backend: it stands for the one that the host's Podman uses.
	Auto = "auto"
)

// backends are the valid words of events_logger.
var backends = []string{File, Journald, None}

// parseBackend parses the word of events_logger, whose case does not matter.
func parseBackend(text string) (string, error) {
	lower := strings.ToLower(text)
	if slices.Contains(backends, lower) {
		return lower, nil
	}
	if near := nearest.Word(lower, backends); near != "" {
		return "", errors.Errorf("unknown backend %q, did you mean %q?", text, near)
	}
	return "", errors.Errorf("unknown backend %q", text)
}

// The paths that show whether systemd runs the host and keeps a journal.
const (
	bootedDir      = "/run/systemd/system"
	firstProcess   = "/proc/1/comm"
	systemdProcess = "systemd"
)

var journalDirs = []string{"/run/log/journal", "/var/log/journal"}

// defaultBackend returns what Podman uses if no file sets it, and why.
func defaultBackend(env Environment, release Release) (backend, why string) {
	if !runsSystemd(env, release) {
		return File, "Podman's default on a host without systemd"
	}
	for _, root := range journalDirs {
		entries, err := os.ReadDir(env.real(root))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if !entry.IsDir() {
				continue
			}
			dir := filepath.Join(root, entry.Name())
			if _, err := os.ReadDir(env.real(dir)); err == nil {
				return Journald, "Podman's default where systemd runs the host and " + dir + " can be read"
			}
		}
	}
	return File, "Podman's default where no journal in " + strings.Join(journalDirs, " or ") + " can be read"
}

// runsSystemd checks as the release does. An older Podman checks process 1; where a
// sandbox hides that, the directory in /run shows the same.
func runsSystemd(env Environment, release Release) bool {
	if !release.has(bootedSince) {
		if name, err := os.ReadFile(env.real(firstProcess)); err == nil {
			return strings.TrimSuffix(string(name), "\n") == systemdProcess
		}
	}
	return env.isDir(bootedDir)
}
