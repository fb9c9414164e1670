package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hook copies a hook of docs/hooks to the machine, with replacements.
func (m *machine) hook(name, dir string, replace ...string) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "hooks", name))
	if err != nil {
		m.t.Fatal(err)
	}
	m.put(filepath.Join(dir, name), strings.NewReplacer(replace...).Replace(string(text)))
}

// webhookReceiver is a server that refuses the first request it gets.
const webhookReceiver = `#!/usr/bin/python3
from http.server import BaseHTTPRequestHandler, HTTPServer
calls = 0
class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global calls
        calls += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(503 if calls == 1 else 204)
        self.end_headers()
        print("REFUSED" if calls == 1 else "GOT", self.headers["Content-Type"], body, flush=True)
    def log_message(self, *args): pass
server = HTTPServer(("127.0.0.1", 8099), Receiver)
print("receiver ready", flush=True)
server.serve_forever()
`

// hooksRecipe runs what docs/hooks.md shows: the unit is off at first; the hooks run, even
// beside one with a mistake, and also for events while the unit was stopped.
func hooksRecipe(t *testing.T, m *machine, alice user) {
	if state, _ := m.try("systemctl", "is-enabled", "eventsvc-hooks.service"); strings.TrimSpace(state) != "disabled" {
		t.Errorf("as installed the hooks are %q", state)
	}
	const dir = "/etc/eventsvc/hooks.d"
	m.put("/opt/receiver.py", webhookReceiver)
	received := m.background("receiver", nil, "/usr/bin/python3", "/opt/receiver.py")
	received("receiver ready")
	m.put("/usr/sbin/sendmail", "#!/bin/sh\ncat >>/opt/mail\n")
	m.run("chmod", "755", "/usr/sbin/sendmail")
	// The unit also starts if there is only a hook of a package, and none in /etc.
	m.hook("mail.toml", "/usr/local/lib/eventsvc/hooks.d")
	m.run("systemctl", "start", "eventsvc-hooks.service")
	contains(t, m.run("systemctl", "show", "--property=ActiveState", "eventsvc-hooks.service"), "ActiveState=active")
	m.run("systemctl", "stop", "eventsvc-hooks.service")
	m.hook("webhook.toml", dir, "https://example.com/hook", "http://127.0.0.1:8099/hook")
	m.put(dir+"/bad.toml", "filter = \"type=container\"\ncomand = [\"true\"]\n")
	m.recipe("died@.service", "/etc/systemd/system")
	m.put(dir+"/unit.toml", "filter = [\"type=container\", \"event=died\"]\nunit = \"died@.service\"\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "enable", "--now", "eventsvc-hooks.service")
	m.t.Cleanup(func() { _, _ = m.try("systemctl", "disable", "--now", "eventsvc-hooks.service") })
	contains(t, m.run("systemctl", "status", "--no-pager", "eventsvc-hooks.service"),
		`Status: "3 hooks; 1 left out: cannot use comand in `+dir+`/bad.toml:2: there is no such key`)
	for _, name := range []string{"webhook", "mail", "unit"} {
		m.eventually(name+".cursor", "find", "/var/lib/eventsvc-hooks")
	}
	m.container("hooked-web", "7")
	got := received("GOT application/cloudevents+json")
	contains(t, got, `"type":"io.podman.container.died","subject":"hooked-web"`)
	contains(t, got, "REFUSED")
	m.eventually("hooked-web of localhost/busybox:test ended with exit code 7", "cat", "/opt/mail")
	m.eventually("container hooked-web has ended", "journalctl", "--no-pager", "--identifier=on-died", "--output=cat")
	m.run("systemctl", "stop", "eventsvc-hooks.service")
	m.container("hooked-later", "8")
	m.run("systemctl", "start", "eventsvc-hooks.service")
	received(`"subject":"hooked-later"`)

	// A user's, on the desktop.
	session := []string{
		"--uid=alice", "--setenv=HOME=/home/alice", "--setenv=XDG_RUNTIME_DIR=/run/user/1000",
		"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
	}
	m.run("loginctl", "enable-linger", "alice")
	m.eventually("io.podman.events", "find", "/run/user/1000", "-name", "io.podman.events")
	m.put("/opt/notifications.py", notifications)
	shown := m.background("desktop-hooks", session, "/opt/notifications.py")
	shown("desktop ready")
	m.hook("desktop.toml", "/home/alice/.config/eventsvc/hooks.d")
	m.run("chown", "-R", "alice:", "/home/alice/.config")
	alice.run("systemctl", "--user", "enable", "--now", "eventsvc-hooks.service")
	m.eventually("desktop.cursor", "find", "/home/alice", "-name", "*.cursor")
	alice.run("eventsvc", "write", "--type", "container", "--status", "died", "--name", "broken", "--image", "shop:1", "--exit-code", "3")
	shown("SHOWN: Container broken failed | exit code 3\n")
	m.run("systemctl", "stop", "desktop-hooks.service")
	alice.run("systemctl", "--user", "disable", "--now", "eventsvc-hooks.service")
}
