package test

import (
	"strings"
	"testing"
)

// groupReads lets a group read everything as docs/operations.md says, step by step.
func groupReads(t *testing.T, m *machine, alice user) {
	outsider := user{m, "bob", 1001}
	m.run("usermod", "--append", "--groups", "adm", "alice")
	m.run("varlinkctl", "info", systemSocket) // it runs: what it was given before must not matter

	m.put("/etc/eventsvc/eventsvc.toml.d/readers.toml", "allow-read = [\"@adm\"]\n")
	// With --stdin, because there is no terminal for an editor.
	m.sh(`printf '[Socket]\nSocketMode=0660\nSocketGroup=adm\n' | systemctl edit --stdin eventsvc.socket`)
	m.run("systemctl", "restart", "eventsvc.socket")
	contains(t, m.run("stat", "-c", "%a %G", "/run/eventsvc/io.podman.events"), "660 adm\n")

	onBusAll := busctl("GetEvents", "asa{sv}", "1", "type=volume", "1", "all_users", "b", "true")
	contains(t, alice.run(onBusAll...), `"volume" "create"`)
	contains(t, alice.run("eventsvc", "events", "--address", systemSocket, "--all-users", "--stream=false", "--filter", "type=volume"), "volume create")
	contains(t, alice.run("eventsvc", "events", "--address", systemSocket, "--stream=false", "--filter", "uid=0"), "volume create")
	if out, err := alice.try("eventsvc", "write", "--address", systemSocket, "--type", "volume", "--status", "create", "--name", "x"); err == nil {
		t.Errorf("a reader writes: %s", out)
	}
	if out := outsider.run(onBusAll...); strings.Contains(out, "volume") {
		t.Errorf("a user outside the group sees events of root: %s", out)
	}
	if out, err := outsider.try("varlinkctl", "info", systemSocket); err == nil {
		t.Errorf("a user outside the group can connect: %s", out)
	}

	m.run("rm", "-r", "/etc/eventsvc/eventsvc.toml.d/readers.toml", "/etc/systemd/system/eventsvc.socket.d")
	m.run("systemctl", "daemon-reload")
	// This test started it more often within ten seconds than systemd allows for a socket.
	m.run("systemctl", "reset-failed", "eventsvc.socket")
	m.run("systemctl", "restart", "eventsvc.socket")
	m.run("systemctl", "reset-failed", "eventsvc.socket")
	m.run("gpasswd", "--delete", "alice", "adm")
}
