package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// With the three commands of docs/fleet.md, root's service shows the events of root and
// of three users with real rootless Podman: one with the journal, one with the log at its
// default path, and one with the log that its containers.conf names. Each event is shown
// once, with its user. A user who logs out and in again loses none, and no user sees those
// of another.
func TestUsersUnit_rootlessPodman(t *testing.T) {
	if buildTags == "" {
		t.Skip("needs a build with the journal, in which a rootless Podman keeps its events: go test -tags systemd")
	}
	bootedTree(t)
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	files := map[string]string{
		"/etc/containers/containers.conf.d/test.conf": "[containers]\nkeyring = false\n",
		"/usr/lib/tmpfiles.d/eventsvc.conf":           read("../dist/systemd/eventsvc.tmpfiles.conf"),
		"/usr/bin/eventsvc":                           read(binary),
	}
	for _, name := range []string{"eventsvc.service", "eventsvc.socket", "eventsvc-readonly.socket", "eventsvc-users.service"} {
		files["/usr/lib/systemd/system/"+name] = read("../dist/systemd/system/" + name)
	}
	m := boot(t, files)
	if err := os.Chmod(filepath.Join(m.root, "usr/bin/eventsvc"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	m.run("systemd-tmpfiles", "--create", "eventsvc.conf")
	m.run("mkdir", "-p", "/etc/eventsvc/eventsvc.toml.d")
	m.run("systemctl", "start", "eventsvc.socket", "eventsvc-readonly.socket")

	_, commands, _ := strings.Cut(read("../docs/fleet.md"), "```sh\n")
	commands, _, _ = strings.Cut(commands, "```")
	m.sh(commands)

	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.try("journalctl", "-q", "-o", "cat", "-u", "eventsvc-users.service"))
		}
	})

	alice, bob, carol := m.addUser("alice", 1000), m.addUser("bob", 1001), m.addUser("carol", 1002)
	m.put("/home/alice/.config/containers/containers.conf", "[engine]\nevents_logger = \"file\"\n")
	m.put("/home/carol/.config/containers/containers.conf", "[engine]\nevents_logger = \"file\"\nevents_logfile_path = \"/home/carol/logs/events.log\"\n")
	m.run("mkdir", "/home/carol/logs")
	all := []user{alice, bob, carol}
	for _, u := range all {
		m.run("chown", "-R", u.name+":"+u.name, "/home/"+u.name)
		m.login(u)
	}
	events := []string{"eventsvc", "events", "--all-users", "--stream=false", "--since=1h", "--format=json", "--filter=type=volume", "--filter=event=create"}
	want := map[string]int{}
	create := func(u user, name string) {
		u.run("podman", "volume", "create", name)
		want[name] = u.uid
	}
	for round := range 2 {
		for _, u := range all {
			for i := range 3 {
				create(u, u.name+"-"+strconv.Itoa(round)+"-"+strconv.Itoa(i))
			}
		}
		name := "root-" + strconv.Itoa(round)
		m.run("podman", "volume", "create", name)
		want[name] = 0
		if round == 0 {
			// A user is found within two seconds, and no sooner.
			m.eventually("found", "sh", "-c", strings.Join(events, " ")+" | grep -q alice-0-2 && echo found")
			m.logout(alice)
			m.login(alice)
		}
	}
	for name := range want {
		m.eventually("found", "sh", "-c", strings.Join(events, " ")+" | grep -q "+name+" && echo found")
	}
	seen := map[string]int{}
	for line := range strings.Lines(m.run(events...)) {
		var e struct {
			Name string
			UID  *int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if uid, known := want[e.Name]; !known || e.UID == nil || *e.UID != uid {
			t.Errorf("want user %d: %s", uid, line)
		}
		seen[e.Name]++
	}
	for name := range want {
		if seen[name] != 1 {
			t.Errorf("%s arrived %d times", name, seen[name])
		}
	}
	if out := m.run("eventsvc", "events", "--all-users", "--stream=false", "--since=1h", "--filter=status=raw:events-lost"); out != "" {
		t.Errorf("events are reported lost: %s", out)
	}
	own := bob.run("eventsvc", "events", "--stream=false", "--since=1h", "--all-users", "--address=unix:/run/eventsvc/io.podman.events.readonly")
	if strings.Contains(own, "alice") || strings.Contains(own, "root-0") || !strings.Contains(own, "bob-0-0") {
		t.Errorf("bob gets\n%s", own)
	}
	if out, err := m.try("eventsvc", "write", "--type=volume", "--status=create", "--name=x"); err == nil || !strings.Contains(out, "collected") {
		t.Errorf("a write to a collected log: %v\n%s", err, out)
	}
}

// login makes a user linger, and waits for its runtime directory and its manager.
func (m *machine) login(u user) {
	m.t.Helper()
	m.run("loginctl", "enable-linger", u.name)
	m.eventually("ActiveState=active", "systemctl", "show", "--property=ActiveState", "user@"+strconv.Itoa(u.uid)+".service")
}

// logout ends all processes of a user, and waits until its runtime directory is removed.
func (m *machine) logout(u user) {
	m.t.Helper()
	m.run("loginctl", "disable-linger", u.name)
	m.eventually("ActiveState=inactive", "systemctl", "show", "--property=ActiveState", "user-runtime-dir@"+strconv.Itoa(u.uid)+".service")
	m.run("test", "!", "-e", "/run/user/"+strconv.Itoa(u.uid))
}
