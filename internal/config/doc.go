// Package config finds, on one host, which event store Podman uses and where
// eventsvc may listen, and says why.
//
// # What is promised
//
// Discover reads containers.conf(5) the way that the Podman of this host reads
// it: the same files in the same order, later ones winning key by key, and,
// where no file says anything, Podman's own defaults. Every answer carries the
// file and line, or the default, that decided it. Nothing is guessed silently:
// a file that cannot be read or understood is an error that names the place and
// what to do. A host without Podman gets a log of eventsvc's own.
//
// # Which files, in which order
//
// The order changed with Podman's releases; the release of the host is asked
// for (podman --version) and, where it is not known, 5.8 is assumed:
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
// CONTAINERS_CONF replaces all of them; CONTAINERS_CONF_OVERRIDE comes on top
// of everything, CONTAINERS_CONF included. A file that a variable names must
// exist (Podman agrees, but for the override of some 5.x releases, which pass
// over it).
//
// # Which keys
//
// Only these of [engine]: events_logger, events_logfile_path,
// events_logfile_max_size and tmp_dir. All others are passed over, known or
// not. An empty string takes back what an earlier file said, as in Podman; for
// events_logger and tmp_dir, where Podman would stop, it means the default. A
// malformed file, a key of the wrong type, a size that is none, a relative
// tmp_dir and an unknown events_logger are errors here as they are in Podman. A
// relative events_logfile_path is one here only: Podman takes it from the
// directory that it happens to be started in, which no other process can know; and so
// is a relative path in a variable.
//
// # The default store
//
// Podman logs to the journal if systemd runs the host (5.7 and later:
// /run/systemd/system exists, before: process 1 is called systemd) and one
// directory below /run/log/journal or /var/log/journal can be listed; else to
// <tmp_dir>/events/events.log, where tmp_dir is /run/libpod for root and
// libpod/tmp below the runtime directory for others.
//
// # What cannot be seen from here
//
// A Podman built without systemd always logs to the file; flags such as
// --events-backend, --tmpdir and --module are the caller's own; a tmp_dir that
// was changed after Podman's first run is overruled by the one in its database;
// libpod.conf of Podman 1.x is not read. Where one of these applies, name the
// store explicitly.
//
// The package knows no store, no bus and no flag; it opens no log and creates
// nothing. Its functions keep no state and are safe for concurrent use.
package config
