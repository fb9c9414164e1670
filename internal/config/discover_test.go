package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const etcConf = "/etc/containers/containers.conf"

// systemdHost are the files of a host that systemd runs and keeps a journal on.
func systemdHost(more map[string]string) map[string]string {
	files := map[string]string{
		"/proc/1/comm":             "systemd\n",
		"/run/systemd/system/":     "",
		"/var/log/journal/abcdef/": "",
	}
	for path, text := range more {
		files[path] = text
	}
	return files
}

func TestDiscover(t *testing.T) {
	const rootLog = "/run/libpod/events/events.log"
	const userLog = "/run/user/ann/libpod/tmp/events/events.log"
	for name, test := range map[string]struct {
		host host
		// backend is what the caller asks for by name.
		backend string
		want    Store
		// because must occur in that order in the reasons.
		because []string
	}{
		"Root's Podman without systemd logs to the file in /run": {
			host: host{podman: "4.3.1"},
			want: Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
			because: []string{
				"backend file: Podman's default on a host without systemd",
				"log " + rootLog + ": Podman's default for root",
				"rotated by Podman at 1000000 bytes: Podman's default",
			},
		},
		"A user's Podman without systemd logs to the file in the runtime directory": {
			host:    host{podman: "5.8.2", user: true},
			want:    Store{Backend: File, Path: userLog, MaxSize: 1000000, Shared: true},
			because: []string{"backend file", "log " + userLog + ": Podman's default for uid " + fmt.Sprint(testUser())},
		},
		"Podman with systemd logs to the journal": {
			host:    host{podman: "4.3.1", files: systemdHost(nil)},
			want:    Store{Backend: Journald, Shared: true},
			because: []string{"backend journald: Podman's default where systemd runs the host and /var/log/journal/abcdef can be read"},
		},
		"Podman with systemd and a journal in memory logs to the journal": {
			host: host{podman: "5.8", files: map[string]string{"/run/systemd/system/": "", "/run/log/journal/abcdef/": ""}},
			want: Store{Backend: Journald, Shared: true},
		},
		"Podman with systemd but no journal logs to the file": {
			host: host{podman: "5.8", user: true, files: map[string]string{
				"/run/systemd/system/": "", "/run/log/journal/README": "no directory",
			}},
			want:    Store{Backend: File, Path: userLog, MaxSize: 1000000, Shared: true},
			because: []string{"Podman's default where no journal in /run/log/journal or /var/log/journal can be read"},
		},
		"An older Podman goes by the name of process 1": {
			host: host{podman: "4.3.1", files: map[string]string{
				"/proc/1/comm": "tini\n", "/run/systemd/system/": "", "/run/log/journal/abcdef/": "",
			}},
			want: Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
		},
		"An older Podman whose process 1 cannot be seen is taken to run under systemd by the directory in /run": {
			host: host{podman: "4.3.1", files: map[string]string{"/run/systemd/system/": "", "/run/log/journal/abcdef/": ""}},
			want: Store{Backend: Journald, Shared: true},
		},
		"Podman 5.7 goes by the directory in /run": {
			host: host{podman: "5.7.1", files: map[string]string{"/proc/1/comm": "systemd\n", "/run/log/journal/abcdef/": ""}},
			want: Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
		},
		"events_logger, path and size are taken from the file": {
			host: host{podman: "4.3.1", files: systemdHost(map[string]string{
				etcConf: engineFile(`events_logger = "file"`, `events_logfile_path = "/var/log//podman/events.log"`, `events_logfile_max_size = "10m"`),
			})},
			want: Store{Backend: File, Path: "/var/log/podman/events.log", MaxSize: 10000000, Shared: true},
			because: []string{
				"backend file: engine.events_logger in " + etcConf + ":2",
				"log /var/log/podman/events.log: engine.events_logfile_path in " + etcConf + ":3",
				"rotated by Podman at 10000000 bytes: engine.events_logfile_max_size in " + etcConf + ":4",
			},
		},
		"The case of events_logger does not matter": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(`events_logger = "JournalD"`)}},
			want: Store{Backend: Journald, Shared: true},
		},
		"events_logger none keeps no events": {
			host:    host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(`events_logger = "none"`)}},
			want:    Store{Backend: None},
			because: []string{"backend none: engine.events_logger in " + etcConf + ":2"},
		},
		"tmp_dir moves the default log": {
			host:    host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(`tmp_dir = "/srv/tmp"`)}},
			want:    Store{Backend: File, Path: "/srv/tmp/events/events.log", MaxSize: 1000000, Shared: true},
			because: []string{"log /srv/tmp/events/events.log: engine.tmp_dir in " + etcConf + ":2"},
		},
		"events_logfile_path wins over tmp_dir": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(`tmp_dir = "/srv/tmp"`, `events_logfile_path = "/srv/e"`)}},
			want: Store{Backend: File, Path: "/srv/e", MaxSize: 1000000, Shared: true},
		},
		"A size of 0 means never rotated": {
			host:    host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(`events_logfile_max_size = 0`)}},
			want:    Store{Backend: File, Path: rootLog, Shared: true},
			because: []string{"never rotated: engine.events_logfile_max_size in " + etcConf + ":2"},
		},
		"A Podman that knows no rotation has no size": {
			host:    host{podman: "3.0.1", files: map[string]string{etcConf: engineFile(`events_logfile_max_size = "1m"`)}},
			want:    Store{Backend: File, Path: rootLog, Shared: true},
			because: []string{"never rotated: Podman 3.0 knows no rotation"},
		},
		"Empty strings count as unset": {
			host: host{podman: "4.3.1", files: map[string]string{
				etcConf: engineFile(`events_logger = ""`, `events_logfile_path = ""`, `tmp_dir = ""`, `events_logfile_max_size = ""`),
			}},
			want: Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
		},
		"Unknown keys and tables are passed over": {
			host: host{podman: "4.3.1", files: map[string]string{
				etcConf: "[containers]\nevents_logger = 7\n[engine]\ncolour = \"red\"\nevents_logger = \"none\"\n[engine.more]\nx = 1\n",
			}},
			want: Store{Backend: None},
		},
		"A Podman that is only shown by a setting counts": {
			host: host{files: map[string]string{etcConf: engineFile(`tmp_dir = "/srv/tmp"`)}},
			want: Store{Backend: File, Path: "/srv/tmp/events/events.log", MaxSize: 1000000, Shared: true},
		},
		"A Podman that is only shown by its log counts": {
			host:    host{files: systemdHost(map[string]string{rootLog: ""})},
			want:    Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
			because: []string{"backend file: Podman's log " + rootLog + " is there, though the podman command is not"},
		},
		"Root on a host without Podman gets a log of its own": {
			host:    host{},
			want:    Store{Backend: File, Path: "/var/lib/eventsvc/events.log"},
			because: []string{"backend file: there is no Podman here", "log /var/lib/eventsvc/events.log: eventsvc's own", "no " + rootLog},
		},
		"A containers.conf without event settings is no Podman": {
			host: host{files: map[string]string{"/usr/share/containers/containers.conf": "[containers]\nlog_driver = \"k8s-file\"\n"}},
			want: Store{Backend: File, Path: "/var/lib/eventsvc/events.log"},
		},
		"The first state directory of the service is used": {
			host: host{vars: map[string]string{"STATE_DIRECTORY": "/var/lib/private/eventsvc:/var/lib/other"}},
			want: Store{Backend: File, Path: "/var/lib/private/eventsvc/events.log"},
		},
		"A user on a host without Podman gets a log in the home": {
			host: host{user: true},
			want: Store{Backend: File, Path: "/home/ann/.local/state/eventsvc/events.log"},
		},
		"A user's own log follows XDG_STATE_HOME": {
			host: host{user: true, vars: map[string]string{"XDG_STATE_HOME": "/srv/state/"}},
			want: Store{Backend: File, Path: "/srv/state/eventsvc/events.log"},
		},
		"A user without a runtime directory and without Podman still gets a log": {
			host: host{user: true, noRuntimeDir: true},
			want: Store{Backend: File, Path: "/home/ann/.local/state/eventsvc/events.log"},
		},
		"Asked for file, the rest comes from Podman": {
			host:    host{podman: "4.3.1", files: systemdHost(map[string]string{etcConf: engineFile(`events_logger = "sometimes"`)})},
			backend: File,
			want:    Store{Backend: File, Path: rootLog, MaxSize: 1000000, Shared: true},
			because: []string{"backend file: asked for by name", "log " + rootLog},
		},
		"Asked for file without Podman, the log is eventsvc's own": {
			host:    host{},
			backend: File,
			want:    Store{Backend: File, Path: "/var/lib/eventsvc/events.log"},
			because: []string{"asked for by name", "eventsvc's own"},
		},
		"Asked for journald without Podman, it is the journal": {
			host:    host{},
			backend: Journald,
			want:    Store{Backend: Journald, Shared: true},
		},
		"Asked for none, nothing else matters": {
			host:    host{podman: "4.3.1", user: true, noRuntimeDir: true},
			backend: "NONE",
			want:    Store{Backend: None},
		},
		"Asked for auto, Podman decides": {
			host:    host{podman: "4.3.1", files: systemdHost(nil)},
			backend: Auto,
			want:    Store{Backend: Journald, Shared: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DiscoverBackend(test.host.environment(t), test.backend)
			if err != nil {
				t.Fatal(err)
			}
			if got.Backend != test.want.Backend || got.Path != test.want.Path || got.MaxSize != test.want.MaxSize || got.Shared != test.want.Shared {
				t.Errorf("found %s %q max %d shared %t,\nwant %s %q max %d shared %t\nbecause %q", got.Backend, got.Path, got.MaxSize, got.Shared,
					test.want.Backend, test.want.Path, test.want.MaxSize, test.want.Shared, got.Because)
			}
			if got.Podman != (test.host.podman != "") {
				t.Errorf("Podman is %t on a host with %q", got.Podman, test.host.podman)
			}
			rest := strings.Join(got.Because, "\n")
			for _, want := range test.because {
				var found bool
				if _, rest, found = strings.Cut(rest, want); !found {
					t.Errorf("the reasons lack %q, or have it too early:\n%s", want, strings.Join(got.Because, "\n"))
				}
			}
		})
	}
}

func TestDiscover_refuses(t *testing.T) {
	etc := func(lines ...string) host {
		return host{podman: "4.3.1", files: map[string]string{etcConf: engineFile(lines...)}}
	}
	for name, test := range map[string]struct {
		host    host
		backend string
		want    []string
	}{
		"Error when the backend in the file is unknown, naming the nearest": {
			host: etc("", `events_logger = "jurnald"`),
			want: []string{"cannot use engine.events_logger in " + etcConf + ":3", `unknown backend "jurnald", did you mean "journald"?`, `write "file", "journald", "none"`},
		},
		"Error without a guess when no backend is near": {
			host: etc(`events_logger = "somewhere else"`),
			want: []string{`unknown backend "somewhere else"; write`},
		},
		"Error when the backend asked for is unknown": {
			host: host{}, backend: "fil",
			want: []string{`cannot choose a store: unknown backend "fil", did you mean "file"?; name file, journald, none or auto`},
		},
		"Error when the path is relative": {
			host: etc(`events_logfile_path = "events.log"`),
			want: []string{"cannot use engine.events_logfile_path in " + etcConf + ":2", `"events.log" is a relative path; write an absolute path`},
		},
		"Error when tmp_dir is relative": {
			host: etc(`tmp_dir = "tmp"`),
			want: []string{"cannot use engine.tmp_dir in " + etcConf + ":2", "relative path"},
		},
		"Error when a file is malformed, naming the place": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf: "[engine]\nevents_logger = file\n"}},
			want: []string{"cannot parse " + etcConf + ":2:17", "correct the file, Podman refuses it too"},
		},
		"Error when a file is a directory": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf + "/": ""}},
			want: []string{"cannot read " + etcConf + ": it is a directory; "},
		},
		"Error when a file leads in a circle": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf: "->containers.conf"}},
			want: []string{"cannot read " + etcConf + ": too many levels of symbolic links; "},
		},
		"Error when a file is huge": {
			host: host{podman: "4.3.1", files: map[string]string{etcConf: strings.Repeat("#\n", maxFileSize)}},
			want: []string{"cannot read " + etcConf + ": it is larger than 1048576 bytes"},
		},
		"Error when CONTAINERS_CONF names no file": {
			host: host{podman: "4.3.1", vars: map[string]string{"CONTAINERS_CONF": "/nowhere.conf"}},
			want: []string{"cannot read /nowhere.conf: no such file or directory; CONTAINERS_CONF or", "unset the variable"},
		},
		"Error when CONTAINERS_CONF_OVERRIDE names no file": {
			host: host{podman: "5.8.2", vars: map[string]string{"CONTAINERS_CONF_OVERRIDE": "/nowhere.conf"}},
			want: []string{"cannot read /nowhere.conf: no such file or directory"},
		},
		"Error when CONTAINERS_CONF is relative": {
			host: host{podman: "4.3.1", vars: map[string]string{"CONTAINERS_CONF": "my.conf"}},
			want: []string{`cannot use CONTAINERS_CONF="my.conf": the path is relative; set it`},
		},
		"Error when CONTAINERS_CONF_OVERRIDE is relative": {
			host: host{podman: "5.8.2", vars: map[string]string{"CONTAINERS_CONF_OVERRIDE": "my.conf"}},
			want: []string{`cannot use CONTAINERS_CONF_OVERRIDE="my.conf"`},
		},
		"Error when XDG_CONFIG_HOME is relative": {
			host: host{podman: "4.3.1", user: true, vars: map[string]string{"XDG_CONFIG_HOME": ".config"}},
			want: []string{`cannot use XDG_CONFIG_HOME=".config"`},
		},
		"Error when XDG_STATE_HOME is relative": {
			host: host{user: true, vars: map[string]string{"XDG_STATE_HOME": "state"}},
			want: []string{`cannot use XDG_STATE_HOME="state"`},
		},
		"Error when a user's Podman has no runtime directory": {
			host: host{podman: "5.8.2", user: true, noRuntimeDir: true},
			want: []string{"cannot find Podman's event log: cannot find a runtime directory: XDG_RUNTIME_DIR is not set", "loginctl enable-linger"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := test.host.environment(t)
			store, err := DiscoverBackend(env, test.backend)
			if err == nil {
				t.Fatalf("found %+v", store)
			}
			if strings.Contains(err.Error(), env.Root) {
				t.Errorf("the error shows the root of the test tree: %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestDiscover_hiddenFile(t *testing.T) {
	t.Run("Error when a file is not readable", func(t *testing.T) {
		env := host{podman: "4.3.1", files: map[string]string{etcConf: engineFile()}}.environment(t)
		lock(t, filepath.Join(env.Root, etcConf))
		withoutPrivilege(t, func() {
			_, err := Discover(env)
			if err == nil || !strings.Contains(err.Error(), "cannot read "+etcConf+": permission denied; ") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("Error when a directory of drop-ins cannot be listed", func(t *testing.T) {
		env := host{podman: "4.3.1", files: map[string]string{etcConf + ".d/x.conf": engineFile()}}.environment(t)
		lock(t, filepath.Join(env.Root, etcConf+".d"))
		withoutPrivilege(t, func() {
			_, err := Discover(env)
			if err == nil || !strings.Contains(err.Error(), "cannot list "+etcConf+".d: permission denied; ") {
				t.Errorf("got %v", err)
			}
		})
	})
	for _, release := range []string{"5.8.2", "6.0.0"} {
		t.Run("A service that may not look into root's home takes it as empty and says so, Podman "+release, func(t *testing.T) {
			env := host{podman: release, files: map[string]string{
				"/root/.config/containers/containers.conf":          engineFile(`events_logger = "none"`),
				"/root/.config/containers/containers.conf.d/x.conf": engineFile(`events_logger = "none"`),
				etcConf: engineFile(`events_logger = "journald"`),
			}}.environment(t)
			lock(t, filepath.Join(env.Root, "/root"))
			withoutPrivilege(t, func() {
				store, err := Discover(env)
				if err != nil || store.Backend != Journald {
					t.Errorf("got %+v, %v", store, err)
				}
				want := "taken as absent: /root/.config/containers/containers.conf, which this process may not look at"
				if len(store.Because) == 0 || store.Because[0] != want {
					t.Errorf("the reasons are %q", store.Because)
				}
			})
		})
	}
}
