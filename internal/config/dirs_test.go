package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListenPath(t *testing.T) {
	uid := fmt.Sprint(testUser())
	for name, test := range map[string]struct {
		host host
		dirs []string // of the user
		want string
	}{
		"Root listens in /run":                               {host{}, nil, "/run/eventsvc/io.podman.events"},
		"Root does not mind a user's runtime directory":      {host{vars: map[string]string{"XDG_RUNTIME_DIR": "x"}}, nil, "/run/eventsvc/io.podman.events"},
		"A user listens in the runtime directory":            {host{user: true}, nil, "/run/user/ann/eventsvc/io.podman.events"},
		"Without XDG_RUNTIME_DIR it is the one in /run/user": {host{user: true, noRuntimeDir: true}, []string{"/run/user/" + uid}, "/run/user/" + uid + "/eventsvc/io.podman.events"},
		"The runtime directory may be led to by a link":      {host{user: true, vars: map[string]string{"XDG_RUNTIME_DIR": "/srv/link"}, files: map[string]string{"/srv/link": "->../run/user/ann"}}, nil, "/srv/link/eventsvc/io.podman.events"},
	} {
		t.Run(name, func(t *testing.T) {
			env := test.host.environment(t)
			for _, dir := range test.dirs {
				ownDir(t, filepath.Join(env.Root, dir), 0o700)
			}
			if got, err := ListenPath(env); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestRuntimeDir_refuses(t *testing.T) {
	uid := fmt.Sprint(testUser())
	for name, test := range map[string]struct {
		host host
		// stranger: the process is another user than the owner of the directories.
		stranger bool
		want     string
	}{
		"Error when there is none": {
			host: host{user: true, noRuntimeDir: true},
			want: "cannot find a runtime directory: XDG_RUNTIME_DIR is not set and /run/user/" + uid + " is not a directory of uid " + uid + "; log in as this user",
		},
		"Error when XDG_RUNTIME_DIR is relative": {
			host: host{user: true, vars: map[string]string{"XDG_RUNTIME_DIR": "run"}},
			want: `cannot use XDG_RUNTIME_DIR="run": the path is relative`,
		},
		"Error when XDG_RUNTIME_DIR does not exist": {
			host: host{user: true, vars: map[string]string{"XDG_RUNTIME_DIR": "/nowhere"}},
			want: "cannot use XDG_RUNTIME_DIR=/nowhere: it is not a visible directory; log in",
		},
		"Error when XDG_RUNTIME_DIR is a stranger's": {
			host: host{user: true}, stranger: true,
			want: "cannot use XDG_RUNTIME_DIR=/run/user/ann: it does not belong to uid " + fmt.Sprint(testUser()+1) + "; log in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := test.host.environment(t)
			if test.stranger {
				env.UID++
			}
			for _, ask := range []func(Environment) (string, error){RuntimeDir, ListenPath} {
				if got, err := ask(env); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %q, %v, want %q", got, err, test.want)
				}
			}
		})
	}
}

func TestRuntimeDir_none(t *testing.T) {
	uid := fmt.Sprint(testUser())
	for name, test := range map[string]struct {
		podman string
		dir    string
		mode   os.FileMode
		tmpdir string
		found  bool
	}{
		"Podman 4 uses podman-run":                     {"4.3.1", "/tmp/podman-run-" + uid, 0o700, "", true},
		"Podman 5 uses storage-run":                    {"5.8.2", "/tmp/storage-run-" + uid, 0o700, "", true},
		"TMPDIR moves it":                              {"5.8.2", "/srv/storage-run-" + uid, 0o700, "/srv", true},
		"One that others can write to is not trusted":  {"5.8.2", "/tmp/storage-run-" + uid, 0o720, "", false},
		"One of the other release's name is passed by": {"5.8.2", "/tmp/podman-run-" + uid, 0o700, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			env := host{podman: test.podman, user: true, noRuntimeDir: true, vars: map[string]string{"TMPDIR": test.tmpdir}}.environment(t)
			ownDir(t, filepath.Join(env.Root, test.dir), test.mode)
			store, err := Discover(env)
			if want := test.dir + "/libpod/tmp/events/events.log"; test.found && (err != nil || store.Path != want) {
				t.Errorf("got %q, %v, want %q", store.Path, err, want)
			}
			if !test.found && err == nil {
				t.Errorf("found %q", store.Path)
			}
		})
	}
}

func TestOwnLog_noHome(t *testing.T) {
	env := host{user: true}.environment(t)
	env.Home = ""
	_, err := Discover(env)
	if err == nil || !strings.Contains(err.Error(), "set HOME or XDG_STATE_HOME, or name a log file") {
		t.Errorf("got %v", err)
	}
}
