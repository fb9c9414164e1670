package config

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/errors"
)

// The names below the directories of the host and of a user.
const (
	serviceName = "eventsvc"
	socketName  = "io.podman.events"
	logName     = "events.log"

	systemRuntimeDir = "/run"
	systemStateDir   = "/var/lib"
	systemTmpDir     = "/run/libpod"
	fallbackTmpDir   = "/tmp"
)

// RuntimeDir returns the directory for sockets and other files that exist while the
// host is up (root: /run) or the user is logged in: XDG_RUNTIME_DIR or, without that,
// /run/user/UID. A user's directory exists and belongs to the user; otherwise the error
// says what to do.
func RuntimeDir(env Environment) (string, error) {
	if !env.rootless() {
		return systemRuntimeDir, nil
	}
	const advice = "log in as this user (machinectl shell USER@, ssh), let it linger (loginctl enable-linger USER), " +
		"or set XDG_RUNTIME_DIR to a directory of its own"
	dir, err := env.pathVariable("XDG_RUNTIME_DIR")
	if err != nil {
		return "", err
	}
	if dir != "" {
		if !env.isDir(dir) {
			return "", refuse("use XDG_RUNTIME_DIR="+dir, errors.New("it is not a visible directory"), advice)
		}
		if !env.isOwnDir(dir) {
			return "", refuse("use XDG_RUNTIME_DIR="+dir, errors.Errorf("it does not belong to uid %d", env.UID), advice)
		}
		return dir, nil
	}
	dir = filepath.Join("/run/user", strconv.Itoa(env.UID))
	if !env.isOwnDir(dir) {
		return "", refuse("find a runtime directory",
			errors.Errorf("XDG_RUNTIME_DIR is not set and %s is not a directory of uid %d", dir, env.UID), advice)
	}
	return dir, nil
}

// ListenPath returns the default path of eventsvc's socket, for the service and for
// clients: eventsvc/io.podman.events below RuntimeDir, whose errors it returns.
func ListenPath(env Environment) (string, error) {
	dir, err := RuntimeDir(env)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, serviceName, socketName), nil
}

// ownLog returns the path of eventsvc's own log, in its state directory.
func ownLog(env Environment) (string, error) {
	dir, err := StateDir(env, serviceName, "the event log", "name a log file")
	return filepath.Join(dir, logName), err
}

// StateDir returns the state directory of a service of this name: the one that systemd
// created for it, otherwise in /var/lib for root and in the XDG state directory for
// others. An error says that there is no place for what, and what else to do.
func StateDir(env Environment, name, what, advice string) (string, error) {
	// StateDirectory= may name several; the first is the service's.
	if dir, _, _ := strings.Cut(env.variable("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if !env.rootless() {
		return filepath.Join(systemStateDir, name), nil
	}
	dir, err := env.pathVariable("XDG_STATE_HOME")
	if err != nil {
		return "", err
	}
	if dir == "" {
		if !filepath.IsAbs(env.Home) {
			return "", refuse("find a place for "+what,
				errors.Errorf("uid %d has no home directory and XDG_STATE_HOME is not set", env.UID), "set HOME or XDG_STATE_HOME, or "+advice)
		}
		dir = filepath.Join(env.Home, ".local", "state")
	}
	return filepath.Join(dir, name), nil
}

// podmanTmpDir returns the directory where Podman keeps its state of this boot, unless
// tmp_dir is set.
func podmanTmpDir(env Environment, release Release) (string, error) {
	if !env.rootless() {
		return systemTmpDir, nil
	}
	dir, err := RuntimeDir(env)
	if err != nil {
		if env.variable("XDG_RUNTIME_DIR") != "" {
			return "", err
		}
		var found bool
		if dir, found = podmanRunDir(env, release); !found {
			return "", err
		}
	}
	return filepath.Join(dir, "libpod", "tmp"), nil
}

// podmanRunDir returns the directory that Podman creates for a user without a runtime
// directory, if it exists and can be trusted.
func podmanRunDir(env Environment, release Release) (dir string, found bool) {
	tmp := env.variable("TMPDIR")
	if !filepath.IsAbs(tmp) {
		tmp = fallbackTmpDir
	}
	name := "podman-run-"
	if release.has(storageRunSince) {
		name = "storage-run-"
	}
	dir = filepath.Join(tmp, name+strconv.Itoa(env.UID))
	return dir, env.isPrivateDir(dir)
}
