package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// The packaged units of a fleet are set up on a booted host as docs/fleet.md says. They
// bring each event of Podman once through a real nats-server to the service of the fleet,
// although each of them, and the server, is killed.
func TestFleetUnits_booted(t *testing.T) {
	bootedTree(t)
	nats := testkit.Peers("bin/nats-server")
	if _, err := os.Stat(nats); err != nil {
		testkit.Missing(t, "nats-server", "test/peers/nats.sh")
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	files := map[string]string{
		"/etc/containers/containers.conf.d/events.conf": logToFile,
		"/usr/lib/tmpfiles.d/eventsvc.conf":             read("../dist/systemd/eventsvc.tmpfiles.conf"),
		"/etc/systemd/system/nats.service": "[Service]\nStateDirectory=nats\nExecStart=/usr/bin/nats-server -c /etc/nats.conf\nRestart=always\n" +
			"RestartSec=100ms\n",
	}
	units := []string{"eventsvc-forward.service", "eventsvc-collect.service", "eventsvc-fleet.service"}
	for _, name := range append([]string{"eventsvc.service", "eventsvc.socket", "eventsvc-readonly.socket"}, units...) {
		files["/usr/lib/systemd/system/"+name] = read("../dist/systemd/system/" + name)
	}
	m := boot(t, files)
	for path, from := range map[string]string{"/usr/bin/eventsvc": binary, "/usr/bin/nats-server": nats} {
		m.put(path, read(from))
		if err := os.Chmod(filepath.Join(m.root, path), 0o755); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.try("journalctl", "-q", "-o", "cat", "-n", "60", "-u", "eventsvc-f*", "-u", "eventsvc-c*", "-u", "nats"))
		}
	})
	m.run("systemd-tmpfiles", "--create", "eventsvc.conf")
	m.run("systemctl", "daemon-reload")

	config := m.run("eventsvc", "fleet", "init", "h7")
	m.put("/etc/nats.conf", "listen: 127.0.0.1:4222\n"+config)
	m.run("systemctl", "start", "nats")
	url := func(user string) string {
		password := regexp.MustCompile(`user: "?` + user + `"?, password: "(\w+)"`).FindStringSubmatch(config)[1]
		return "nats://" + user + ":" + password + "@127.0.0.1:4222"
	}
	m.run("systemd-run", "--quiet", "--collect", "--unit=create", "eventsvc", "forward", "--to", url("admin"), "--host", "admin", "--create", "--max-age", "720h")
	m.eventually("HOSTNAME", "eventsvc", "hosts", "--from", url("collect"))
	m.run("systemctl", "stop", "create")

	m.put("/etc/eventsvc/eventsvc.toml", "allow-read = [\"@adm\"]\n")
	m.put("/etc/eventsvc/forward.toml", "to = \""+url("h7")+"\"\nhost = \"h7\"\n")
	m.put("/etc/eventsvc/collect.toml", "from = [\""+url("collect")+"\"]\nlog-max-size = \"10g\"\n")
	m.run("chmod", "600", "/etc/eventsvc/forward.toml", "/etc/eventsvc/collect.toml")
	m.run("systemctl", "enable", "--now", "eventsvc.socket", "eventsvc-readonly.socket", "eventsvc-forward.service")
	m.run("systemctl", "enable", "--now", "eventsvc-collect.service", "eventsvc-fleet.service")

	seen := []string{
		"eventsvc", "events", "--address=unix:/run/eventsvc-fleet/io.podman.events", "--stream=false", "--since=1h",
		"--filter=host=h7", "--filter=type=volume", "--filter=event=create", "--format={{.Name}}",
	}
	var want []string
	for _, killed := range append([]string{"", "eventsvc.service", "nats.service"}, units...) {
		if killed != "" {
			m.run("systemctl", "kill", "--signal=KILL", killed)
		}
		name := "v" + strings.NewReplacer(".", "-").Replace(killed)
		m.run("podman", "volume", "create", name)
		want = append(want, name)
		m.eventually(name+"\n", seen...)
	}
	if got := m.run(seen...); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("the service of the fleet has\n%s, want\n%s", got, strings.Join(want, "\n"))
	}
	m.eventually("ok", "sh", "-c", "eventsvc hosts --from "+url("collect")+" | grep '^h7 '")
	for _, unit := range units {
		contains(t, m.run("systemctl", "show", "--property=ActiveState,DynamicUser", unit), "ActiveState=active", "DynamicUser=yes")
	}
	m.eventually("caught up", "systemctl", "show", "--property=StatusText", units[0])
	m.eventually(" 0 refused", "systemctl", "show", "--property=StatusText", units[1])
}
