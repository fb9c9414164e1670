// Package config finds out which event store Podman uses on a host and where eventsvc
// may listen, and says why.
//
// # What is promised
//
// Discover reads containers.conf(5) as the Podman of this host reads it: the same files
// in the same order, later ones winning key by key, and where no file sets a key,
// Podman's own defaults. Every answer carries the file and line, or the default, that
// determined it. Nothing is guessed silently: a file that cannot be read or parsed is
// an error that names the place and what to do. A host without Podman gets a log of
// eventsvc's own.
//
// # Which files, in which order
//
// The order changed with Podman's releases. The host's release is determined by podman
// --version; if it is unknown, 5.8 is assumed:
//
//	1.9–4.x  /usr/share/containers/containers.conf
//	         /etc/containers/containers.conf, then its .d/*.conf by name
//	         users but not root: $XDG_CONFIG_HOME/containers/containers.conf
//	         (~/.config without that variable), then its .d/*.conf
//	4.5      CONTAINERS_CONF_OVERRIDE is read last
//	5.0      root reads the file in its home too
//	5.7      users but not root, before the home: /etc/containers/containers.rootless.conf,
//	         then its .d/*.conf and .d/UID/*.conf
//	6.0      of the three containers.conf only the first that exists, home
//	         before /etc before /usr/share; then the *.conf of all .d directories
//	         (of all three places, and .rootful.conf.d, .rootless.conf.d,
//	         .rootless.conf.d/UID of the two system ones) sorted together by
//	         name, where a later directory hides a file of the same name
//
// CONTAINERS_CONF replaces all of them; CONTAINERS_CONF_OVERRIDE is read after
// everything, CONTAINERS_CONF included. A file that a variable names must exist (as in
// Podman, except for the override in some 5.x releases, which skip a missing one).
//
// # Which keys
//
// Only these of [engine]: events_logger, events_logfile_path, events_logfile_max_size
// and tmp_dir. All others are ignored, known or not. An empty string resets what an
// earlier file set, as in Podman; for events_logger and tmp_dir, where Podman would
// fail, it means the default. A malformed file, a key of the wrong type, an invalid
// size, a relative tmp_dir and an unknown events_logger are errors here as they are in
// Podman. A relative events_logfile_path is an error only here: Podman resolves it
// against the directory in which it happens to be started, which no other process can
// know. The same holds for a relative path in a variable.
//
// # The default store
//
// Podman logs to the journal if systemd runs the host (5.7 and later:
// /run/systemd/system exists, before: process 1 is called systemd) and one directory
// below /run/log/journal or /var/log/journal can be listed. Otherwise it logs to
// <tmp_dir>/events/events.log, where tmp_dir is /run/libpod for root and libpod/tmp
// below the runtime directory for others.
//
// # What cannot be seen from here
//
// A Podman built without systemd always logs to the file. Flags such as
// --events-backend, --tmpdir and --module are known only to the caller. A tmp_dir that
// was changed after Podman's first run is overridden by the one in its database.
// libpod.conf of Podman 1.x is not read. Where one of these applies, name the store
// explicitly.
//
// The package knows no store, no bus and no flag; it opens no log and creates nothing.
// Its functions keep no state and are safe for concurrent use.
package config
