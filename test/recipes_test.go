package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recipe copies a file of docs/recipes to the machine.
func (m *machine) recipe(name, dir string) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "recipes", name))
	if err != nil {
		m.t.Fatal(err)
	}
	m.put(filepath.Join(dir, name), string(text))
}

// background runs a command as a unit of the machine, until the test ends, and returns
// a function that waits until it has printed something.
func (m *machine) background(unit string, options []string, command ...string) (wait func(want string) string) {
	m.t.Helper()
	output := "/opt/" + unit + ".out"
	args := append([]string{
		"systemd-run", "--quiet", "--collect", "--unit=" + unit, "--property=StandardOutput=truncate:" + output,
		"--property=StandardError=append:" + output, "--setenv=PYTHONUNBUFFERED=1",
	}, options...)
	m.run(append(args, command...)...)
	m.t.Cleanup(func() { _, _ = m.try("systemctl", "stop", unit) })
	return func(want string) string {
		m.t.Helper()
		return m.eventually(want, "cat", output)
	}
}

// runContainer runs a container that ends with a code.
const runContainer = "podman run --rm --name %NAME --cgroups=disabled --network=host localhost/busybox:test sh -c 'exit %CODE' || test $? = %CODE"

func (m *machine) container(name, code string) {
	m.t.Helper()
	m.sh(strings.NewReplacer("%NAME", name, "%CODE", code).Replace(runContainer))
}

// TestRecipes runs what docs/recipes.md and docs/tutorial.md show, on a booted machine with the
// package installed.
func TestRecipes(t *testing.T) {
	bootedTree(t)
	pkg := buildPackages(t, "0.1.0~test1")
	m := boot(t, map[string]string{
		"/etc/containers/containers.conf.d/events.conf": logToFile,
		"/etc/containers/containers.conf.d/nspawn.conf": nspawnContainers,
	})
	alice := m.addUser("alice", 1000)
	m.run("apt-get", "install", "-y", "-q", m.bring(pkg, "deb"))
	m.sh(podmanImage)
	for _, recipe := range []struct {
		name string
		test func(*testing.T, *machine, user)
	}{
		{"The tutorial", tutorial},
		{"A Python subscriber over Varlink", pythonRecipe},
		{"A GLib subscriber on the system bus", glibRecipe},
		{"A unit for every container that ends", unitRecipe},
		{"Lines for a log shipper", shipperRecipe},
		{"A remote host over ssh", sshRecipe},
		{"A notification on the desktop", notifyRecipe},
		{"Hooks", hooksRecipe},
		{"Metrics", metricsRecipe},
	} {
		t.Run(recipe.name, func(t *testing.T) {
			defer func(outer *testing.T) { m.t = outer }(m.t)
			m.t = t
			recipe.test(t, m, alice)
		})
	}
}

func pythonRecipe(t *testing.T, m *machine, _ user) {
	m.recipe("follow.py", "/opt")
	printed := m.background("recipe-python", nil, "/opt/follow.py", "/opt/python.cursor")
	m.eventually(`"subscribers":1`, "varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}")
	m.container("one", "1")
	printed("one 1\n")
	m.run("systemctl", "stop", "recipe-python")
	m.container("two", "2")
	printed = m.background("recipe-python", nil, "/opt/follow.py", "/opt/python.cursor")
	if got := printed("two 2\n"); strings.Contains(got, "one") {
		t.Errorf("it printed again what it had: %s", got)
	}
	m.run("systemctl", "restart", "eventsvc.service")
	m.container("three", "3")
	printed("two 2\nthree 3\n")
}

func glibRecipe(t *testing.T, m *machine, _ user) {
	m.recipe("follow-glib.py", "/opt")
	printed := m.background("recipe-glib", nil, "/opt/follow-glib.py")
	printed("ready\n")
	m.container("g1", "1")
	printed("g1 1\n")
	m.run("systemctl", "restart", "eventsvc.service")
	m.container("g2", "2")
	printed("g2 2\n")
	m.sh("systemctl stop eventsvc.service || true") // which the program may call off: it has the bus start it again
	m.container("g3", "3")
	if got := printed("g3 3\n"); strings.Count(got, "g1 1\n") != 1 || strings.Count(got, "g2 2\n") != 1 {
		t.Errorf("it printed something twice: %s", got)
	}
}

func unitRecipe(_ *testing.T, m *machine, _ user) {
	m.recipe("on-died.service", "/etc/systemd/system")
	m.recipe("died@.service", "/etc/systemd/system")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "start", "on-died.service")
	m.t.Cleanup(func() { _, _ = m.try("systemctl", "stop", "on-died.service") })
	m.eventually("on-died", "find", "/var/lib/on-died", "-name", "cursor")
	m.container("my-web", "4")
	m.eventually("container my-web has ended", "journalctl", "--no-pager", "--identifier=on-died", "--output=cat")
	m.run("systemctl", "stop", "on-died.service")
	m.container("unseen", "5")
	m.run("systemctl", "start", "on-died.service")
	m.eventually("container unseen has ended", "journalctl", "--no-pager", "--identifier=on-died", "--output=cat")
	// An expired cursor neither stops the unit nor keeps it from new events.
	m.run("systemctl", "stop", "on-died.service")
	m.loseEvents()
	m.run("systemctl", "start", "on-died.service")
	m.container("after-loss", "0")
	m.eventually("container after-loss has ended", "journalctl", "--no-pager", "--identifier=on-died", "--output=cat")
}

// loseEvents replaces the log by a new one with one event.
func (m *machine) loseEvents() {
	m.sh("rm -f /run/libpod/events/events.log && podman volume create lost && podman volume rm lost")
}

func shipperRecipe(t *testing.T, m *machine, _ user) {
	m.recipe("ship-events.service", "/etc/systemd/system")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "start", "ship-events.service")
	m.t.Cleanup(func() { _, _ = m.try("systemctl", "stop", "ship-events.service") })
	const file = "/var/log/ship-events/events.json"
	m.eventually(`"subscribers":1`, "varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}")
	for _, step := range []string{"", "systemctl restart ship-events.service", "systemctl restart eventsvc.service", "systemctl kill --signal=KILL eventsvc.service"} {
		if step != "" {
			m.sh(step)
		}
		m.run("podman", "volume", "create", "ship")
		m.run("podman", "volume", "rm", "ship")
	}
	const names = `jq -r 'select(.Type == "volume") | .Status' ` + file + ` | tr '\n' ' '`
	want := strings.TrimSpace(strings.Repeat("create remove ", 4))
	if got := m.eventually(want, "sh", "-c", names); strings.TrimSpace(got) != want {
		t.Errorf("the file has %s", got)
	}
	m.run("systemctl", "stop", "ship-events.service")
	m.loseEvents()
	m.run("systemctl", "start", "ship-events.service")
	m.run("podman", "volume", "create", "ship-on")
	m.eventually("ship-on", "sh", "-c", "jq -r .Name "+file)
}

func sshRecipe(t *testing.T, m *machine, _ user) {
	m.sh(`set -e; mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
echo "far $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)" >/root/.ssh/known_hosts
printf 'Host far\n  HostName 127.0.0.1\n  HostKeyAlias far\n' >/root/.ssh/config
systemctl start ssh.service`)
	m.container("far", "1") // the recipe before may have lost the log
	contains(t, m.run("varlinkctl", "call", "ssh-exec:far:eventsvc bridge", "io.podman.events.GetLastEvent", `{"filters":["type=container"]}`), `"type":"container"`)
	contains(t, m.run("varlinkctl", "call", "ssh-unix:far:/run/eventsvc/io.podman.events", "io.podman.events.GetStatus", "{}"), `"backend":"file"`)
	contains(t, m.run("eventsvc", "events", "--address", "ssh-exec:far", "--stream=false", "--filter", "event=died"), "container died")
	printed := m.background("recipe-ssh", []string{"--setenv=HOME=/root"}, "eventsvc", "events", "--address", "ssh-exec:far", "--filter", "type=volume")
	m.eventually(`"subscribers":`, "sh", "-c", `varlinkctl call `+systemSocket+` io.podman.events.GetStatus '{}' | grep -v '"subscribers":0'`)
	m.run("podman", "volume", "create", "far-away")
	printed("volume create far-away")
}

// notifications stands in for the desktop's notification daemon: it prints what
// it is to show.
const notifications = `#!/usr/bin/python3
from gi.repository import Gio, GLib
XML = """<node><interface name="org.freedesktop.Notifications"><method name="Notify">
<arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/>
<arg type="u" direction="out"/></method></interface></node>"""
def call(bus, sender, path, interface, method, arguments, invocation):
    print("SHOWN:", arguments.unpack()[3], "|", arguments.unpack()[4], flush=True)
    invocation.return_value(GLib.Variant("(u)", (1,)))
def got(bus, name):
    bus.register_object("/org/freedesktop/Notifications", Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], call)
    print("desktop ready", flush=True)
Gio.bus_own_name(Gio.BusType.SESSION, "org.freedesktop.Notifications", 0, got, None, None)
GLib.MainLoop().run()
`

func notifyRecipe(t *testing.T, m *machine, alice user) {
	m.run("loginctl", "enable-linger", "alice")
	m.eventually("io.podman.events", "find", "/run/user/1000", "-name", "io.podman.events")
	session := []string{
		"--uid=alice", "--setenv=HOME=/home/alice", "--setenv=XDG_RUNTIME_DIR=/run/user/1000",
		"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
	}
	m.put("/opt/notifications.py", notifications)
	m.recipe("notify.py", "/opt")
	shown := m.background("desktop", session, "/opt/notifications.py")
	shown("desktop ready")
	m.background("recipe-notify", session, "/opt/notify.py")("watching")
	write := func(name, code string) {
		alice.run("eventsvc", "write", "--type", "container", "--status", "died", "--name", name, "--image", "shop:1", "--exit-code", code)
	}
	write("fine", "0")
	write("broken", "3")
	if got := shown("SHOWN: Container broken failed | shop:1 ended with 3\n"); strings.Contains(got, "fine") {
		t.Errorf("a container that ended well was shown: %s", got)
	}
}
