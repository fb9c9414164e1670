//go:build systemd

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestInstalled_journalUnderAttack: on a booted Debian, an ordinary user writes the
// longest entries that the service reads into the journal, while root follows the events
// of all users. The service of the package replies, stays within the memory limit of its
// unit, and satisfies a watchdog of five seconds.
func TestInstalled_journalUnderAttack(t *testing.T) {
	bootedTree(t)
	pkg := buildPackages(t, "0.1.0~test1")
	m := boot(t, map[string]string{
		"/etc/containers/containers.conf.d/events.conf":    "[engine]\nevents_logger = \"journald\"\n",
		"/etc/systemd/system/eventsvc.service.d/soon.conf": "[Service]\nWatchdogSec=5\n",
		"/etc/systemd/journald.conf.d/unbounded.conf":      "[Journal]\nRateLimitIntervalSec=0\nSystemMaxUse=2G\nRuntimeMaxUse=1G\n",
	})
	m.run("apt-get", "install", "-y", "-q", m.bring(pkg, "deb"))
	mallory := m.addUser("mallory", 1001)
	m.run("eventsvc", "status")
	pid := m.property("eventsvc.service", "MainPID")
	limit := m.limitMemory(pid)
	m.run("systemd-run", "--quiet", "--unit=follower", "--property=StandardOutput=truncate:/opt/followed", "eventsvc", "events", "--all-users", "--format={{.Name}}")
	t.Cleanup(func() { _, _ = m.try("systemctl", "stop", "follower.service") })
	m.eventually(`"subscribers":1`, "varlinkctl", "call", systemSocket, "io.podman.events.GetStatus", "{}")
	for name, attack := range map[string]struct {
		entries int
		data    string
	}{"noise": {150, noise(1_000_000)}, "quotes": {150, strings.Repeat(`"a`, 500_000)}, "controls": {3000, strings.Repeat("\x01", 3_000)}} {
		m.put("/opt/"+name, "SYSLOG_IDENTIFIER=podman\nPODMAN_TYPE=container\nPODMAN_EVENT=create\nPODMAN_TIME=2026-11-27T12:00:00Z\nPODMAN_ID=a\n"+
			"PODMAN_NAME="+name+"\nPODMAN_CONTAINER_INSPECT_DATA="+attack.data+"\n")
		mallory.run("sh", "-c", fmt.Sprintf("for i in $(seq %d); do logger --journald=/opt/%s; done", attack.entries, name))
		m.run("eventsvc", "status")
	}
	m.put("/opt/end", "SYSLOG_IDENTIFIER=podman\nPODMAN_TYPE=container\nPODMAN_EVENT=create\nPODMAN_TIME=2026-11-27T12:00:00Z\nPODMAN_ID=e\nPODMAN_NAME=end\n")
	mallory.run("logger", "--journald=/opt/end")
	m.eventually("end", "tail", "--lines=1", "/opt/followed")
	if out := m.run("eventsvc", "events", "--stream=false", "--all-users", "--filter=name=noise", "--format={{.Name}}"); strings.Count(out, "noise") != 150 {
		t.Errorf("%d of 150 entries are events", strings.Count(out, "noise"))
	}
	for property, want := range map[string]string{"MainPID": pid, "NRestarts": "0", "ActiveState": "active"} {
		if got := m.property("eventsvc.service", property); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	status := m.run("grep", "-E", "VmHWM|VmRSS|RssAnon|RssFile", "/proc/"+pid+"/status")
	t.Logf("%s%s", status, limit())
	for _, line := range strings.Split(status, "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "RssAnon:" {
			if kb, err := strconv.Atoi(fields[1]); err != nil || kb > 200_000 {
				t.Errorf("it holds %s kB of its own", fields[1])
			}
		}
	}
}

// limitMemory applies the memory limit of its unit to a process of the machine, if this
// host has control groups of version 1, with which the machine's systemd cannot limit
// memory. The function that it returns reports how much was used.
func (m *machine) limitMemory(pid string) (used func() string) {
	m.t.Helper()
	const groups = "/sys/fs/cgroup/memory"
	if _, err := os.Stat(groups + "/memory.limit_in_bytes"); err != nil {
		return func() string {
			return m.run("systemctl", "show", "--property=MemoryPeak,MemoryCurrent", "eventsvc.service")
		}
	}
	space, err := os.Readlink("/proc/" + m.leader + "/ns/pid")
	if err != nil {
		m.t.Fatal(err)
	}
	group, err := os.MkdirTemp(groups, "evboot")
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = os.Remove(group) })
	set := func(file, text string) {
		if err := os.WriteFile(filepath.Join(group, file), []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	set("memory.limit_in_bytes", m.property("eventsvc.service", "MemoryHigh")) // there is no milder one
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		status, _ := os.ReadFile(p + "/status")
		if s, _ := os.Readlink(p + "/ns/pid"); s == space && strings.Contains(string(status), "\t"+pid+"\n") {
			set("cgroup.procs", filepath.Base(p))
		}
	}
	return func() string {
		var all strings.Builder
		for _, file := range []string{"memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.usage_in_bytes", "memory.failcnt"} {
			text, _ := os.ReadFile(filepath.Join(group, file))
			fmt.Fprintf(&all, "%s %s", file, text)
		}
		return all.String()
	}
}
