package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// follow starts a follower of the machine's volume events, and returns a function that
// waits for a number of events and returns their names.
func (m *machine) follow() (wait func(count int) []string) {
	m.t.Helper()
	const output = "/opt/followed"
	m.run("systemd-run", "--quiet", "--collect", "--unit=follower", "--property=StandardOutput=truncate:"+output,
		"eventsvc", "events", "--filter", "type=volume", "--filter", "event=create", "--format", "json")
	m.t.Cleanup(func() { _, _ = m.try("systemctl", "stop", "follower.service") })
	m.eventually(`"subscribers":1`, "varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}")
	return func(count int) []string {
		var names []string
		for deadline := time.Now().Add(bootPatience); ; time.Sleep(20 * time.Millisecond) {
			text, err := os.ReadFile(filepath.Join(m.root, output))
			if err != nil {
				m.t.Fatal(err)
			}
			names = names[:0]
			for line := range strings.Lines(string(text)) {
				var e struct{ Name string }
				if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &e) == nil {
					names = append(names, e.Name)
				}
			}
			if len(names) >= count || time.Now().After(deadline) {
				return slices.Clone(names)
			}
		}
	}
}

// upgrade installs another version over the running service while Podman writes and a
// client follows.
func upgrade(t *testing.T, m *machine, pkg string) {
	defer func(outer *testing.T) { m.t = outer }(m.t)
	m.t = t
	alice := user{m, "alice", 1000}
	const hers = "unix:/run/user/1000/eventsvc/io.podman.events"
	contains(t, alice.run("varlinkctl", "info", hers), "0.1.0~test1")
	followed := m.follow()
	old := m.property("eventsvc.service", "MainPID")
	const volumes = 40
	written := make(chan error, 1)
	go func() {
		_, err := m.try("sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do podman volume create up$i >/dev/null || exit 1; i=$((i+1)); done", volumes))
		written <- err
	}()
	followed(3)
	m.run("apt-get", "install", "-y", "-q", pkg)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	names := followed(volumes)
	for i := range volumes {
		if i >= len(names) || names[i] != fmt.Sprintf("up%d", i) {
			t.Fatalf("the follower saw %v, want up0 to up%d, each once", names, volumes-1)
		}
	}
	if len(names) != volumes {
		t.Errorf("the follower saw %v", names)
	}
	contains(t, m.run("varlinkctl", "info", systemSocket), "0.1.0~test2")
	if now := m.property("eventsvc.service", "MainPID"); now == old {
		t.Error("the upgrade did not restart the service")
	}
	contains(t, alice.run("varlinkctl", "info", hers), "0.1.0~test2")
}

// removed removes the package, and compares the files with those before it was
// installed.
func removed(t *testing.T, m *machine, before []string) {
	defer func(outer *testing.T) { m.t = outer }(m.t)
	m.t = t
	// What the administrator has enabled is removed, too.
	m.run("systemctl", "enable", "eventsvc.service", "eventsvc-legacy.socket", "eventsvc-readonly.socket")
	m.run("systemctl", "--global", "enable", "eventsvc.service", "eventsvc-legacy.socket")
	m.run("apt-get", "remove", "-y", "-q", "eventsvc")
	if out, err := m.try("pgrep", "-a", "eventsvc"); err == nil {
		t.Errorf("something runs after the removal: %s", out)
	}
	if out, err := m.try(busctl("GetEvents", "asa{sv}", "0", "0")...); err == nil {
		t.Errorf("the bus still starts it: %s", out)
	}
	m.run("apt-get", "purge", "-y", "-q", "eventsvc")
	leftOver(t, m, before)
}

// leftOver compares the files of the machine with those before the installation.
func leftOver(t *testing.T, m *machine, before []string) {
	t.Helper()
	for _, path := range m.files() {
		if _, found := slices.BinarySearch(before, path); !found && !podmans(path) {
			t.Errorf("left over: %s", path)
		}
	}
	for _, unit := range []string{"eventsvc.service", "eventsvc.socket"} {
		if state := m.property(unit, "LoadState"); state != "not-found" {
			t.Errorf("%s is still %s", unit, state)
		}
	}
}

// podmans reports whether the machine's Podman created the file.
func podmans(path string) bool {
	for _, dir := range []string{"/run/libpod", "/run/podman", "/run/crun", "/run/lock", "/etc/cni", "/run/netns", "/var/lib/cni", "/run/sudo"} {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}

// TestInstalled_rpm runs the scripts of the rpm on the same machine, whose packages are
// unknown to rpm.
func TestInstalled_rpm(t *testing.T) {
	bootedTree(t)
	first, second := buildPackages(t, "0.1.0~test1"), buildPackages(t, "0.1.0~test2")
	m := boot(t, map[string]string{
		"/etc/containers/containers.conf.d/events.conf":   logToFile,
		"/usr/lib/systemd/system-preset/99-fedora.preset": "disable *\n",
		"/usr/lib/systemd/user-preset/99-fedora.preset":   "disable *\n",
	})
	m.run("rpm", "--initdb")
	// Directories of Fedora that Debian does not have.
	m.run("mkdir", "-p", "/usr/share/dbus-1/interfaces", "/usr/share/licenses", "/usr/share/zsh/site-functions")
	alice := m.addUser("alice", 1000)
	before := m.files()
	// Names that every distribution with rpm provides, whatever its packages are called.
	requires := m.run("rpm", "-qp", "--requires", m.bring(first, "rpm"))
	contains(t, requires, "/bin/sh\n", "systemd >= 253\n", "libsystemd.so.0()(64bit)\n", "libc.so.6(GLIBC_2.")
	if n := strings.Count(requires, "\n"); n != 4 {
		t.Errorf("it requires %s", requires)
	}
	if text := m.run("rpm", "-qp", "--queryformat", "%{DESCRIPTION}", m.bring(first, "rpm")); !strings.HasPrefix(text, "eventsvc publishes") ||
		strings.Contains(text, "\n.\n") {
		t.Errorf("it describes itself as %s", text)
	}
	m.run("rpm", "-i", "--nodeps", m.bring(first, "rpm"))
	nothingRuns(t, m, user{})
	contains(t, m.run(busctl("GetEvents", "asa{sv}", "0", "0")...), "a(ssssta{sv})sb 0 ")
	contains(t, m.run("varlinkctl", "info", systemSocket), "0.1.0~test1")
	m.run("loginctl", "enable-linger", "alice")
	hers := "/run/user/1000/eventsvc/io.podman.events"
	m.eventually(hers, "find", "/run/user/1000", "-name", "io.podman.events")
	contains(t, alice.run("varlinkctl", "info", "unix:"+hers), "0.1.0~test1")
	m.eventually("ActiveState=active", alice.args([]string{"systemctl", "--user", "show", "--property=ActiveState", "eventsvc.service"})...)
	m.run("rpm", "-U", "--nodeps", m.bring(second, "rpm"))
	contains(t, m.run("varlinkctl", "info", systemSocket), "0.1.0~test2")
	contains(t, alice.run("varlinkctl", "info", "unix:"+hers), "0.1.0~test2")
	m.run("rpm", "-V", "--nodeps", "eventsvc")
	m.run("rpm", "-e", "--nodeps", "eventsvc")
	if out, err := m.try("pgrep", "-a", "eventsvc"); err == nil {
		t.Errorf("something runs after the removal: %s", out)
	}
	// A log of its own contains events; rpm leaves it to the administrator.
	m.run("rm", "-rf", "/var/lib/eventsvc")
	leftOver(t, m, before)
}
