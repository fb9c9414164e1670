package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

const (
	systemSocket = "unix:/run/eventsvc/io.podman.events"
	publicSocket = "unix:/run/eventsvc/io.podman.events.readonly"
	legacySocket = "unix:/run/podman/io.podman"
)

// onBus is a call of the service on a bus, but for the method.
var onBus = []string{"io.podman.Events1", "/io/podman/Events1", "io.podman.Events1"}

// busctl is a call on the system bus.
func busctl(method ...string) []string {
	return append(append([]string{"busctl", "call"}, onBus...), method...)
}

// logToFile makes Podman log to its file: where systemd runs, its default is
// the journal.
const logToFile = "[engine]\nevents_logger = \"file\"\n"

// TestInstalled_debian installs the package on a booted Debian, tests what it promises,
// and removes it.
func TestInstalled_debian(t *testing.T) {
	bootedTree(t)
	first, second := buildPackages(t, "0.1.0~test1"), buildPackages(t, "0.1.0~test2")
	m := boot(t, map[string]string{"/etc/containers/containers.conf.d/events.conf": logToFile})
	alice := m.addUser("alice", 1000)
	before := m.files()

	m.run("apt-get", "install", "-y", "-q", m.bring(first, "deb"))
	for _, step := range []struct {
		name string
		test func(*testing.T, *machine, user)
	}{
		{"Nothing runs until a client calls", nothingRuns},
		{"Varlink starts it", varlinkStarts},
		{"The bus starts it", busStarts},
		{"Events of Podman reach both interfaces", podmanEvents},
		{"Commands wait for what Podman does", commandsWait},
		{"The sandbox holds", sandboxHolds},
		{"Another user may ask and not write", strangers},
		{"A user has a service of its own", userFlavour},
		{"A group may read", groupReads},
		{"Old clients have their socket", oldClients},
		{"Configuration is read again", configuration},
		{"Monitors match its messages", messages},
		{"It is started again when it hangs", hangs},
		{"It ends when no client needs it", idle},
		{"The journal is a store like the file", journal},
	} {
		t.Run(step.name, func(t *testing.T) {
			defer func(outer *testing.T) { m.t = outer }(m.t)
			m.t = t
			step.test(t, m, alice)
		})
	}
	t.Run("An upgrade loses nothing", func(t *testing.T) { upgrade(t, m, m.bring(second, "deb")) })
	t.Run("Removed without a trace", func(t *testing.T) { removed(t, m, before) })
}

// builtPackages are the directories of packages, by their version.
var builtPackages = struct {
	sync.Mutex
	dirs map[string]string
}{dirs: make(map[string]string)}

// buildPackages makes the packages of this checkout under another version, once,
// and returns the directory that they are in.
func buildPackages(t *testing.T, version string) string {
	t.Helper()
	builtPackages.Lock()
	defer builtPackages.Unlock()
	if dir := builtPackages.dirs[version]; dir != "" {
		return dir
	}
	if found, _ := filepath.Glob("../bin/nfpm.v*"); len(found) == 0 && !testkit.PeersRequired() {
		t.Skip("nfpm is missing: run make packages")
	}
	dir := filepath.Join(filepath.Dir(binary), "packages-"+version) // TestMain removes it
	cmd := exec.Command("make", "-C", "..", "packages")
	cmd.Env = append(os.Environ(), "EVENTSVC_VERSION="+version, "OUT="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	builtPackages.dirs[version] = dir
	return dir
}

// bring copies the package eventsvc into the machine and returns its path there.
func (m *machine) bring(dir, kind string) string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "eventsvc?[0-9]*."+kind))
	if err != nil || len(found) != 1 {
		m.t.Fatalf("there are %d packages *.%s in %s", len(found), kind, dir)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		m.t.Fatal(err)
	}
	path := "/opt/" + filepath.Base(found[0])
	m.put(path, string(content))
	return path
}

// changing lists the paths that a running system, Podman or this test changes.
var changing = []string{
	"/proc", "/sys", "/dev", "/opt", "/root", "/home", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/containers", "/var/lib/dpkg",
	"/var/lib/apt", "/var/lib/rpm", "/run/systemd", "/run/user", "/run/containers", "/run/log", "/run/udev", "/var/lib/systemd/timers", "/var/lib/systemd/linger",
}

// files lists every file of the machine outside of those places.
func (m *machine) files() []string {
	m.t.Helper()
	args := []string{"find", "/", "("}
	for i, path := range changing {
		if i > 0 {
			args = append(args, "-o")
		}
		args = append(args, "-path", path)
	}
	ctx := within(m.t, bootPatience)
	out, err := m.command(ctx, append(args, ")", "-prune", "-o", "-print")...).Output()
	if err != nil {
		m.t.Fatal(err)
	}
	files := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(files)
	return files
}

func nothingRuns(t *testing.T, m *machine, _ user) {
	for _, flavour := range []string{"system", "user"} {
		const verify = "XDG_RUNTIME_DIR=/run systemd-analyze --%s verify --man=yes /usr/lib/systemd/%s/eventsvc*"
		if out := m.sh(strings.ReplaceAll(verify, "%s", flavour)); strings.Contains(out, "eventsvc") {
			t.Errorf("systemd-analyze verify says of the %s units: %s", flavour, out)
		}
	}
	if state := m.property("eventsvc.socket", "ActiveState"); state != "active" {
		t.Errorf("eventsvc.socket is %s", state)
	}
	if state := m.property("eventsvc.service", "ActiveState"); state != "inactive" {
		t.Errorf("eventsvc.service is %s", state)
	}
	m.run("systemctl", "stop", "eventsvc.socket")
	out, err := m.try("eventsvc", "status")
	if err == nil {
		t.Error("there is a status without a socket")
	}
	contains(t, out, "cannot connect to unix:/run/eventsvc/io.podman.events (the system service)", "'systemctl start eventsvc.socket'")
	m.run("systemctl", "start", "eventsvc.socket")
	for _, off := range []string{"eventsvc-legacy.socket", "eventsvc-readonly.socket"} {
		if state := m.property(off, "UnitFileState"); state != "disabled" {
			t.Errorf("%s is %s", off, state)
		}
	}
	contains(t, m.run("stat", "-c", "%a %U %N", "/run/eventsvc/io.podman.events", "/run/varlink/registry/io.podman.events", "/run/libpod/events"),
		"600 root '/run/eventsvc/io.podman.events'\n",
		"'/run/varlink/registry/io.podman.events' -> '/run/eventsvc/io.podman.events'",
		"700 root '/run/libpod/events'")
}

func varlinkStarts(t *testing.T, m *machine, _ user) {
	contains(t, m.run("varlinkctl", "info", systemSocket), "io.podman.events", "0.1.0~test1")
	// The socket answers a moment before systemd hears that the service is ready.
	m.eventually("Active: active (running)", "systemctl", "status", "eventsvc.service")
	contains(t, m.property("eventsvc.service", "StatusText"), "Serving log file /run/libpod/events/events.log; no subscribers, ")
	contains(t, m.run("eventsvc", "status"), "unix:/run/eventsvc/io.podman.events (the system service)")
	contains(t, m.run("varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}"),
		`"backend":"file","path":"/run/libpod/events/events.log"`)
}

func busStarts(t *testing.T, m *machine, _ user) {
	if state := m.property("dbus-broker.service", "ActiveState"); state != "active" {
		t.Errorf("dbus-broker.service is %s", state)
	}
	m.run("systemctl", "stop", "eventsvc.service", "eventsvc.socket")
	contains(t, m.run(busctl("GetEvents", "asa{sv}", "0", "0")...), "a(ssssta{sv})sb 0 ")
	for _, unit := range []string{"eventsvc.service", "eventsvc.socket"} {
		m.eventually("ActiveState=active", "systemctl", "show", "--property=ActiveState", unit)
	}
	contains(t, m.run("varlinkctl", "info", systemSocket), "io.podman.events")
}

// podmanImage makes an image of busybox.
const podmanImage = `set -e; mkdir -p /opt/image/bin; cp /usr/bin/busybox /opt/image/bin/; ln -sf busybox /opt/image/bin/sh
tar -C /opt/image -c . | podman import --quiet - localhost/busybox:test`

func podmanEvents(t *testing.T, m *machine, _ user) {
	m.sh(podmanImage)
	m.run("podman", "volume", "create", "data")
	m.sh("podman run --rm --name web --label app=shop --cgroups=disabled --network=host localhost/busybox:test sh -c 'exit 7' || test $? = 7")
	m.run("podman", "volume", "rm", "data")
	contains(t, m.run("varlinkctl", "call", systemSocket, "io.podman.events.GetEvents", `{"filters":["type=volume"]}`),
		`"type":"volume","status":"create","name":"data"`, `"status":"remove","name":"data"`, `"complete":true`)
	contains(t, m.run("varlinkctl", "call", systemSocket, "io.podman.events.GetLastEvent", `{"filters":["container=web","event=died"]}`),
		`"exitCode":7`, `"attributes":{`, `"app":"shop"`, `"uid":0`)
	contains(t, m.run(busctl("GetLastEvent", "as", "2", "container=web", "event=died")...),
		`(ssssta{sv}) "container" "died"`, `"web"`, `"exit_code" i 7`)
	ours := strings.Count(m.run("eventsvc", "events", "--stream=false"), "\n")
	podmans := strings.Count(m.run("podman", "events", "--stream=false"), "\n")
	if ours != podmans || ours < 5 {
		t.Errorf("podman knows %d events, eventsvc %d", podmans, ours)
	}
	contains(t, m.run("eventsvc", "write", "--type", "volume", "--status", "create", "--name", "written"), "f")
	contains(t, m.run("podman", "events", "--stream=false", "--filter", "volume=written"), "volume create written")
}

func sandboxHolds(t *testing.T, m *machine, _ user) {
	pid := m.property("eventsvc.service", "MainPID")
	status := m.run("cat", "/proc/"+pid+"/status")
	contains(t, status, "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t0\t0\t0\t0")
	// In its mount namespace, with all of root's rights: what is read-only there is read-only for every process.
	inside := []string{"nsenter", "--mount=/proc/" + pid + "/ns/mnt", "sh", "-c"}
	for _, path := range []string{"/etc", "/usr/bin", "/var/log", "/var/lib", "/run", "/run/podman", "/root", "/home", "/boot"} {
		out, err := m.try(append(inside, "touch "+path+"/eventsvc-was-here")...)
		if err == nil || !strings.Contains(out, "Read-only file system") {
			t.Errorf("%s can be written to: %v %s", path, err, out)
		}
	}
	for _, path := range []string{"/run/libpod/events", "/var/lib/eventsvc"} {
		if out, err := m.try(append(inside, "touch "+path+"/try && rm "+path+"/try")...); err != nil {
			t.Errorf("%s cannot be written to: %v %s", path, err, out)
		}
	}
	if out := m.run(append(inside, "ls -A /home")...); out != "" {
		t.Errorf("it sees homes: %s", out)
	}
	if ours, its := m.run("readlink", "/proc/1/ns/net"), m.run("readlink", "/proc/"+pid+"/ns/net"); ours == its {
		t.Error("it is in the network of the machine")
	}
	// In tenths: 0.8 at most.
	score := strings.TrimSpace(m.run("systemd-analyze", "security", "--no-pager", "--threshold=8", "eventsvc.service"))
	t.Log(score[strings.LastIndex(score, "\n")+1:])
}

func strangers(t *testing.T, m *machine, alice user) {
	contains(t, alice.run(busctl("GetEvents", "asa{sv}", "0", "0")...), "a(ssssta{sv})sb 0 ")
	contains(t, alice.run("busctl", "introspect", onBus[0], onBus[1]), "WriteEvent", "EventStatuses")
	refused := func(want string, args ...string) {
		t.Helper()
		out, err := alice.try(args...)
		if err == nil {
			t.Errorf("%s succeeded", strings.Join(args, " "))
		}
		contains(t, out, want)
	}
	refused("Access denied", busctl("WriteEvent", "a{sv}", "3", "type", "s", "volume", "status", "s", "create", "name", "s", "x")...)
	refused("Permission denied", "varlinkctl", "info", systemSocket)
	refused("Access denied", "busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", "su", onBus[0], "0")

	// In the way that the unit's comment describes.
	m.run("systemctl", "enable", "eventsvc-readonly.socket")
	m.sh("systemctl stop eventsvc.socket eventsvc.service; systemctl start eventsvc.socket eventsvc-readonly.socket")
	contains(t, alice.run("varlinkctl", "call", publicSocket, "io.podman.events.GetEvents", "{}"), `"events":[]`)
	const event = `{"event":{"type":"volume","status":"create","name":"x"}}`
	refused("PermissionDenied", "varlinkctl", "call", publicSocket, "io.podman.events.WriteEvent", event)
	if out, err := m.try("varlinkctl", "call", publicSocket, "io.podman.events.WriteEvent", event); err == nil {
		t.Errorf("root can write through the read-only socket: %s", out)
	}
	m.run("varlinkctl", "call", systemSocket, "io.podman.events.WriteEvent", event)
	m.run("systemctl", "disable", "--now", "eventsvc-readonly.socket")
}

func userFlavour(t *testing.T, m *machine, alice user) {
	m.run("loginctl", "enable-linger", "alice")
	socket := "/run/user/1000/eventsvc/io.podman.events"
	m.eventually(socket, "find", "/run/user/1000", "-name", "io.podman.events")
	contains(t, alice.run("varlinkctl", "call", "unix:"+socket, "io.podman.events.GetStatus", "{}"),
		`"path":"/run/user/1000/libpod/tmp/events/events.log"`)
	alice.run("podman", "volume", "create", "mine")
	contains(t, alice.run("eventsvc", "events", "--stream=false"), "volume create mine")
	alice.run("systemctl", "--user", "stop", "eventsvc.service")
	contains(t, alice.run(append(append([]string{"busctl", "--user", "call"}, onBus...), "GetLastEvent", "as", "1", "volume=mine")...),
		`"volume" "create" "" "mine"`, `"uid" u 1000`)
	contains(t, alice.run("systemctl", "--user", "is-active", "eventsvc.service"), "active")

	// A second session bus, which is not her manager's, starts a service by itself. That service has no socket, because the first one has it, and exits with its bus.
	contains(t, alice.run("dbus-run-session", "--", "sh", "-c", strings.Join(append(append([]string{"busctl", "--user", "call"}, onBus...),
		"GetLastEvent", "as", "1", "volume=mine"), " ")+"; pgrep -u alice -a eventsvc"),
		`"volume" "create" "" "mine"`, "--dbus=-session", "--dbus starter")
	m.eventually("1\n", "pgrep", "-u", "alice", "-c", "eventsvc")

	// A user without a session bus can use Varlink.
	m.run("systemctl", "--global", "mask", "dbus.socket")
	bob := m.addUser("bob", 1001)
	m.run("loginctl", "enable-linger", "bob")
	socket = "/run/user/1001/eventsvc/io.podman.events"
	m.eventually(socket, "find", "/run/user/1001", "-name", "io.podman.events")
	contains(t, bob.run("varlinkctl", "call", "unix:"+socket, "io.podman.events.GetStatus", "{}"), `"path":"/run/user/1001/`)
	m.eventually("ActiveState=active", bob.args([]string{"systemctl", "--user", "show", "--property=ActiveState", "eventsvc.service"})...)
	m.run("systemctl", "--global", "unmask", "dbus.socket")
	m.run("loginctl", "disable-linger", "bob")
}

func oldClients(t *testing.T, m *machine, _ user) {
	m.run("systemctl", "enable", "eventsvc-legacy.socket")
	m.sh("systemctl stop eventsvc.socket eventsvc.service; systemctl start eventsvc.socket eventsvc-legacy.socket")
	contains(t, m.run("stat", "-c", "%a", "/run/podman/io.podman"), "600\n")
	contains(t, m.run("varlinkctl", "call", legacySocket, "io.podman.GetVersion", "{}"), `"remote_api_version"`)
	m.run("systemctl", "disable", "--now", "eventsvc-legacy.socket")
}
