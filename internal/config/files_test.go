package config

import (
	"fmt"
	"slices"
	"testing"
)

// Files are read in Podman's order.
func TestFiles_order(t *testing.T) {
	uid := fmt.Sprint(testUser())
	// Every place that any Podman reads has a file, and some that none reads.
	everywhere := map[string]string{}
	for _, path := range []string{
		"/usr/share/containers/containers.conf",
		"/usr/share/containers/containers.conf.d/30-usr.conf",
		"/usr/share/containers/containers.rootful.conf.d/31-usr-rootful.conf",
		"/usr/share/containers/containers.rootless.conf.d/31-usr-rootless.conf",
		"/usr/share/containers/containers.rootless.conf.d/" + uid + "/32-usr-uid.conf",
		"/etc/containers/containers.conf",
		"/etc/containers/containers.conf.d/20-b.conf",
		"/etc/containers/containers.conf.d/10-a.conf",
		"/etc/containers/containers.conf.d/README",
		"/etc/containers/containers.conf.d/deep.conf/x.conf",
		"/etc/containers/containers.rootful.conf.d/21-rootful.conf",
		"/etc/containers/containers.rootless.conf",
		"/etc/containers/containers.rootless.conf.d/21-rootless.conf",
		"/etc/containers/containers.rootless.conf.d/" + uid + "/22-uid.conf",
		"/etc/containers/containers.rootless.conf.d/1/23-stranger.conf",
		"/root/.config/containers/containers.conf",
		"/root/.config/containers/containers.conf.d/05-root.conf",
		"/home/ann/.config/containers/containers.conf",
		"/home/ann/.config/containers/containers.conf.d/05-home.conf",
		"/srv/xdg/containers/containers.conf",
		"/srv/named.conf", "/srv/override.conf",
	} {
		everywhere[path] = engineFile()
	}
	etc := []string{
		"/usr/share/containers/containers.conf",
		"/etc/containers/containers.conf",
		"/etc/containers/containers.conf.d/10-a.conf",
		"/etc/containers/containers.conf.d/20-b.conf",
	}
	rootless := []string{
		"/etc/containers/containers.rootless.conf",
		"/etc/containers/containers.rootless.conf.d/21-rootless.conf",
		"/etc/containers/containers.rootless.conf.d/" + uid + "/22-uid.conf",
	}
	home := []string{"/home/ann/.config/containers/containers.conf", "/home/ann/.config/containers/containers.conf.d/05-home.conf"}
	rootHome := []string{"/root/.config/containers/containers.conf", "/root/.config/containers/containers.conf.d/05-root.conf"}
	for name, test := range map[string]struct {
		host host
		want []string
	}{
		"Podman 4.3 as root":     {host{podman: "4.3.1"}, etc},
		"Podman 4.3 as a user":   {host{podman: "4.3.1", user: true}, slices.Concat(etc, home)},
		"Podman 5.0 as root":     {host{podman: "5.0.0"}, slices.Concat(etc, rootHome)},
		"Podman 5.6 as a user":   {host{podman: "5.6.2", user: true}, slices.Concat(etc, home)},
		"Podman 5.8 as root":     {host{podman: "5.8.2"}, slices.Concat(etc, rootHome)},
		"Podman 5.8 as a user":   {host{podman: "5.8.2", user: true}, slices.Concat(etc, rootless, home)},
		"No Podman as a user":    {host{user: true}, slices.Concat(etc, rootless, home)},
		"Unknown Podman as root": {host{podman: "?"}, slices.Concat(etc, rootHome)},
		"XDG_CONFIG_HOME stands for ~/.config": {
			host{podman: "4.3.1", user: true, vars: map[string]string{"XDG_CONFIG_HOME": "/srv/xdg"}},
			append(slices.Clone(etc), "/srv/xdg/containers/containers.conf"),
		},
		"Podman 6.0 as root": {host{podman: "6.0.0"}, []string{
			"/root/.config/containers/containers.conf",
			"/root/.config/containers/containers.conf.d/05-root.conf",
			"/etc/containers/containers.conf.d/10-a.conf",
			"/etc/containers/containers.conf.d/20-b.conf",
			"/etc/containers/containers.rootful.conf.d/21-rootful.conf",
			"/usr/share/containers/containers.conf.d/30-usr.conf",
			"/usr/share/containers/containers.rootful.conf.d/31-usr-rootful.conf",
		}},
		"Podman 6.0 as a user": {host{podman: "6.0.0", user: true}, []string{
			"/home/ann/.config/containers/containers.conf",
			"/home/ann/.config/containers/containers.conf.d/05-home.conf",
			"/etc/containers/containers.conf.d/10-a.conf",
			"/etc/containers/containers.conf.d/20-b.conf",
			"/etc/containers/containers.rootless.conf.d/21-rootless.conf",
			"/etc/containers/containers.rootless.conf.d/" + uid + "/22-uid.conf",
			"/usr/share/containers/containers.conf.d/30-usr.conf",
			"/usr/share/containers/containers.rootless.conf.d/31-usr-rootless.conf",
			"/usr/share/containers/containers.rootless.conf.d/" + uid + "/32-usr-uid.conf",
		}},
		"CONTAINERS_CONF replaces all": {
			host{podman: "4.3.1", vars: map[string]string{"CONTAINERS_CONF": "/srv/named.conf"}},
			[]string{"/srv/named.conf"},
		},
		"CONTAINERS_CONF replaces all in Podman 6 too": {
			host{podman: "6.0.0", vars: map[string]string{"CONTAINERS_CONF": "/srv/named.conf"}},
			[]string{"/srv/named.conf"},
		},
		"CONTAINERS_CONF_OVERRIDE comes last": {
			host{podman: "4.5.1", vars: map[string]string{"CONTAINERS_CONF_OVERRIDE": "/srv/override.conf"}},
			append(slices.Clone(etc), "/srv/override.conf"),
		},
		"CONTAINERS_CONF_OVERRIDE comes after CONTAINERS_CONF": {
			host{podman: "5.8.2", vars: map[string]string{"CONTAINERS_CONF": "/srv/named.conf", "CONTAINERS_CONF_OVERRIDE": "/srv/override.conf"}},
			[]string{"/srv/named.conf", "/srv/override.conf"},
		},
		"Podman before 4.5 does not know CONTAINERS_CONF_OVERRIDE": {
			host{podman: "4.4.4", vars: map[string]string{"CONTAINERS_CONF_OVERRIDE": "/srv/override.conf"}}, etc,
		},
		"A variable may name a device": {
			host{podman: "4.3.1", vars: map[string]string{"CONTAINERS_CONF": "/srv/empty"}}, []string{"/srv/empty"},
		},
		"A home that is no directory is no home": {
			host{podman: "4.3.1", user: true, vars: map[string]string{"XDG_CONFIG_HOME": "/srv/named.conf"}}, etc,
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.host.files = everywhere
			env := test.host.environment(t)
			writeFile(t, env.real("/srv/empty"), false, "->/dev/null")
			store, err := Discover(env)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(store.Files, test.want) {
				t.Errorf("read %q,\nwant %q", store.Files, test.want)
			}
		})
	}
}

// Later files win key by key.
func TestFiles_laterWins(t *testing.T) {
	for name, test := range map[string]struct {
		podman string
		files  map[string]string
		want   Store
	}{
		"Each key is taken from the last file that has it": {"4.3.1", map[string]string{
			"/usr/share/containers/containers.conf":       engineFile(`events_logger = "journald"`, `events_logfile_path = "/usr.log"`, `events_logfile_max_size = 7`),
			"/etc/containers/containers.conf":             engineFile(`events_logger = "file"`),
			"/etc/containers/containers.conf.d/10-a.conf": engineFile(`events_logfile_path = "/a.log"`),
			"/etc/containers/containers.conf.d/20-b.conf": engineFile(`events_logfile_path = "/b.log"`),
		}, Store{Backend: File, Path: "/b.log", MaxSize: 7}},
		"An empty string takes back an earlier path, but no size": {"4.3.1", map[string]string{
			"/usr/share/containers/containers.conf": engineFile(`events_logger = "file"`, `events_logfile_path = "/usr.log"`, `events_logfile_max_size = 7`),
			"/etc/containers/containers.conf":       engineFile(`events_logfile_path = ""`, `events_logfile_max_size = ""`),
		}, Store{Backend: File, Path: "/run/libpod/events/events.log", MaxSize: 7}},
		"A link among the drop-ins is followed": {"5.8.2", map[string]string{
			"/etc/containers/containers.conf.d/10-a.conf": "->../a",
			"/etc/containers/a":                           engineFile(`events_logger = "none"`),
		}, Store{Backend: None}},
		"A broken link among the drop-ins is passed over": {"5.8.2", map[string]string{
			"/etc/containers/containers.conf.d/10-a.conf": "->nowhere",
		}, Store{Backend: File, Path: "/run/libpod/events/events.log", MaxSize: 1000000}},
		"In Podman 6 a drop-in of the administrator hides the vendor's of the same name": {"6.0.0", map[string]string{
			"/usr/share/containers/containers.conf.d/10-a.conf": engineFile(`events_logger = "none"`),
			"/etc/containers/containers.conf.d/10-a.conf":       engineFile(`events_logfile_path = "/a.log"`),
		}, Store{Backend: File, Path: "/a.log", MaxSize: 1000000}},
		"In Podman 6 the administrator's main file stands alone": {"6.0.0", map[string]string{
			"/usr/share/containers/containers.conf": engineFile(`events_logger = "none"`),
			"/etc/containers/containers.conf":       engineFile(`events_logfile_path = "/etc.log"`),
		}, Store{Backend: File, Path: "/etc.log", MaxSize: 1000000}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Discover(host{podman: test.podman, files: test.files}.environment(t))
			if err != nil {
				t.Fatal(err)
			}
			if got.Backend != test.want.Backend || got.Path != test.want.Path || got.MaxSize != test.want.MaxSize {
				t.Errorf("found %s %q max %d, want %+v\nbecause %q", got.Backend, got.Path, got.MaxSize, test.want, got.Because)
			}
		})
	}
}
