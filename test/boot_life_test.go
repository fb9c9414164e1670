package test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/messageid"
)

// configuration says what it would do, reloads its files when asked, and keeps the old
// ones if the new ones are invalid.
func configuration(t *testing.T, m *machine, alice user) {
	contains(t, m.run("eventsvc", "serve", "--check-config"),
		"/etc/eventsvc/eventsvc.toml\n", `exit-idle-time = "10m0s": /etc/eventsvc/eventsvc.toml:`,
		"backend file: engine.events_logger in /etc/containers/containers.conf.d/events.conf:2\n")
	root := busctl("GetEvents", "asa{sv}", "1", "type=volume", "1", "all_users", "b", "true")
	if out := alice.run(root...); strings.Contains(out, "volume") {
		t.Errorf("alice sees events of root: %s", out)
	}
	pid := m.property("eventsvc.service", "MainPID")
	m.put("/etc/eventsvc/eventsvc.toml.d/alice.toml", "allow-read = [\"alice\"]\n")
	m.run("systemctl", "reload", "eventsvc.service")
	contains(t, alice.run(root...), `"volume" "create"`)

	m.put("/etc/eventsvc/eventsvc.toml.d/wrong.toml", "allow-raed = [\"alice\"]\n")
	out, err := m.try("eventsvc", "serve", "--check-config")
	if err == nil {
		t.Error("a misspelt key is no error")
	}
	contains(t, out, "/etc/eventsvc/eventsvc.toml.d/wrong.toml:1", "allow-read")
	_, _ = m.try("systemctl", "reload", "eventsvc.service")
	contains(t, alice.run(root...), `"volume" "create"`)
	contains(t, m.run("journalctl", "--unit", "eventsvc.service", "--no-pager", "--priority", "err"), "wrong.toml:1")

	m.run("rm", "/etc/eventsvc/eventsvc.toml.d/wrong.toml", "/etc/eventsvc/eventsvc.toml.d/alice.toml")
	m.run("systemctl", "reload", "eventsvc.service")
	if out := alice.run(root...); strings.Contains(out, "volume") {
		t.Errorf("alice still sees events of root: %s", out)
	}
	if now := m.property("eventsvc.service", "MainPID"); now != pid {
		t.Errorf("after the reload the process is %s, before it was %s", now, pid)
	}

	m.put("/etc/eventsvc/eventsvc.toml.d/metrics.toml", "metrics = \"unix:/run/eventsvc/metrics\"\n")
	m.run("systemctl", "restart", "eventsvc.service")
	contains(t, m.run("curl", "--silent", "--show-error", "--fail", "--unix-socket", "/run/eventsvc/metrics", "http://localhost/metrics"), "eventsvc_")
	m.run("rm", "/etc/eventsvc/eventsvc.toml.d/metrics.toml")
	m.run("systemctl", "restart", "eventsvc.service")
}

// messages finds the messages that monitors match by their MESSAGE_ID, with their fields
// and catalog entries. The steps before this one caused the denial and the reload.
func messages(t *testing.T, m *machine, _ user) {
	entry := func(id slog.Attr, wants ...string) {
		t.Helper()
		out := m.eventually("MESSAGE_ID", "journalctl", "--unit=eventsvc.service", "--no-pager", "--output=json", id.String())
		wants = append(wants, `"SYSLOG_IDENTIFIER":"eventsvc"`)
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool {
			return !slices.ContainsFunc(wants, func(want string) bool { return !strings.Contains(line, want) })
		}) {
			t.Errorf("no entry with this ID has %s:\n%s", wants, out)
		}
		contains(t, m.run("journalctl", "--list-catalog", id.Value.String()), "eventsvc: ")
	}
	entry(messageid.Denied, `"PRIORITY":"4"`, `"EVENTSVC_ACTION":"write events"`, `"EVENTSVC_UID":"1000"`, `"EVENTSVC_PID":"`)
	entry(messageid.Reloaded, `"EVENTSVC_FILES":"/etc/eventsvc/eventsvc.toml`, `"EVENTSVC_CHANGED":"`)
	entry(messageid.NotReloaded, `"PRIORITY":"3"`, `"EVENTSVC_ERROR":"cannot use allow-raed in /etc/eventsvc/eventsvc.toml.d/wrong.toml:1`)

	m.run("podman", "volume", "create", "gone")
	cursor := strings.TrimSpace(m.run("eventsvc", "events", "--stream=false", "--filter=volume=gone", "--format={{.Cursor}}"))
	followed := m.follow()
	m.run("podman", "volume", "rm", "gone")
	followed(1)
	m.sh("truncate --size=0 /run/libpod/events/events.log && podman volume create lost && podman volume rm lost")
	entry(messageid.Lost, `"PRIORITY":"4"`, `"EVENTSVC_PATH":"/run/libpod/events/events.log"`)
	// The follower has exited with an error, or is about to.
	_, _ = m.try("systemctl", "stop", "follower.service")
	if out, err := m.try("eventsvc", "events", "--stream=false", "--after-cursor="+cursor); err == nil {
		t.Errorf("the cursor of an event that is lost has not expired: %s", out)
	}
	entry(messageid.Expired, `"PRIORITY":"6"`, `"EVENTSVC_UID":"0"`, `"EVENTSVC_PID":"`)

	m.sh("mv /run/libpod/events/events.log /run/libpod/events/kept && mkdir /run/libpod/events/events.log")
	_, _ = m.try("eventsvc", "events", "--stream=false")
	entry(messageid.Fault, `"EVENTSVC_ERROR":"`, `"EVENTSVC_PATH":"/run/libpod/events/events.log"`)
	m.sh("rmdir /run/libpod/events/events.log && mv /run/libpod/events/kept /run/libpod/events/events.log")
	m.run("podman", "volume", "create", "back")
	m.run("podman", "volume", "rm", "back")
	entry(messageid.Recovered, `"PRIORITY":"6"`)
	contains(t, m.run("journalctl", "--unit=eventsvc.service", "--no-pager", "--catalog", messageid.Lost.String()),
		"Subject: Container events may have been lost", "Documentation: man:eventsvc-serve(8)")
}

// hangs stops the process with SIGSTOP: the watchdog notices, and a follower loses
// nothing.
func hangs(t *testing.T, m *machine, _ user) {
	m.put("/etc/systemd/system/eventsvc.service.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "eventsvc.service")
	followed := m.follow()
	m.run("podman", "volume", "create", "before")
	followed(1)
	pid := m.property("eventsvc.service", "MainPID")
	m.run("kill", "-STOP", pid)
	m.run("podman", "volume", "create", "meanwhile")
	m.eventually("1\n", "systemctl", "show", "--property=NRestarts", "--value", "eventsvc.service")
	m.run("podman", "volume", "create", "after")
	if names := fmt.Sprint(followed(3)); names != "[before meanwhile after]" {
		t.Errorf("the follower saw %s", names)
	}
	contains(t, m.run("journalctl", "--unit", "eventsvc.service", "--no-pager"), "Watchdog timeout")
	m.run("systemctl", "stop", "follower.service")
	m.run("podman", "volume", "rm", "before", "meanwhile", "after")
	m.run("rm", "-r", "/etc/systemd/system/eventsvc.service.d")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "reset-failed", "eventsvc.service")
	m.run("systemctl", "restart", "eventsvc.service")
}

// idle lets the service exit when it is idle, many times, while clients of both
// interfaces call at any moment.
func idle(t *testing.T, m *machine, _ user) {
	m.put("/etc/eventsvc/eventsvc.toml.d/idle.toml", "exit-idle-time = \"300ms\"\n")
	// systemd treats a service that starts too often as failed; this one starts often on purpose.
	m.put("/etc/systemd/system/eventsvc.service.d/often.conf", "[Unit]\nStartLimitIntervalSec=0\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "eventsvc.service")
	m.eventually("inactive", "systemctl", "is-active", "eventsvc.service")
	started := func() int {
		return strings.Count(m.run("journalctl", "--unit", "eventsvc.service", "--no-pager", "--output=cat"), "Started eventsvc.service")
	}
	before := started()
	// The pauses are close to the idle time: calls arrive while the service runs, exits and has exited.
	for i := range 20 {
		time.Sleep(time.Duration(200+i*20) * time.Millisecond)
		call := []string{"varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}"}
		if i%2 == 1 {
			call = busctl("GetEvents", "asa{sv}", "0", "0")
		}
		m.run(call...)
	}
	if n := started() - before; n < 3 {
		t.Errorf("it ended and was started again only %d times", n)
	}
	followed := m.follow()
	m.run("podman", "volume", "create", "kept")
	if names := fmt.Sprint(followed(1)); names != "[kept]" {
		t.Errorf("the follower saw %s", names)
	}
	m.run("systemctl", "stop", "follower.service")
	m.eventually("inactive", "systemctl", "is-active", "eventsvc.service")
	if result := m.property("eventsvc.service", "Result"); result != "success" {
		t.Errorf("it ended with %s", result)
	}
	m.run("podman", "volume", "rm", "kept")
	m.run("rm", "-r", "/etc/eventsvc/eventsvc.toml.d/idle.toml", "/etc/systemd/system/eventsvc.service.d")
	m.run("systemctl", "daemon-reload")
}

// journal repeats this with the store that Podman uses by default on a host with
// systemd. Each user sees only its own events there, even root.
func journal(t *testing.T, m *machine, alice user) {
	if _, err := os.Stat(filepath.Join("..", "internal", "store", "journald")); err != nil {
		t.Skip("this version has no journald store")
	}
	m.run("rm", "/etc/containers/containers.conf.d/events.conf")
	m.run("systemctl", "restart", "eventsvc.service")
	contains(t, m.run("eventsvc", "status"), "journald")
	followed := m.follow()
	alice.run("podman", "volume", "create", "hers")
	m.run("podman", "volume", "create", "journaled")
	if names := fmt.Sprint(followed(1)); names != "[journaled]" {
		t.Errorf("the follower saw %s", names)
	}
	m.run("systemctl", "stop", "follower.service")
	last := func(name string) []string { return busctl("GetLastEvent", "as", "1", "volume="+name) }
	contains(t, m.run(last("journaled")...), `"uid" u 0`)
	contains(t, alice.run(last("hers")...), `"volume" "create" "" "hers"`, `"uid" u 1000`)
	if out, err := alice.try(last("journaled")...); err == nil {
		t.Errorf("alice sees an event of root: %s", out)
	}
	m.run("podman", "volume", "rm", "journaled")
	m.put("/etc/containers/containers.conf.d/events.conf", logToFile)
	m.run("systemctl", "restart", "eventsvc.service")
}
