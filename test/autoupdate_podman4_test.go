package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// updatePodman4: the Podman of Debian 12, 4.3.1, with units of "podman generate systemd
// --new". The program is this host's, copied into the machine together with the libraries
// that are missing there; it has storage of its own.
func updatePodman4(l *lab) {
	testkit.Need(l.t, "podman")
	program, err := exec.LookPath("podman")
	if err != nil {
		l.t.Fatal(err)
	}
	if out, err := exec.Command(program, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "podman version 4.") {
		testkit.Missing(l.t, "Podman 4, not "+strings.TrimSpace(string(out)), "Debian 12")
	}
	bring := func(from, to string) {
		text, err := os.ReadFile(from)
		if err != nil {
			l.t.Fatal(err)
		}
		l.put(to, string(text))
		if err := os.Chmod(filepath.Join(l.root, to), 0o755); err != nil { //nolint:gosec // programs
			l.t.Fatal(err)
		}
	}
	libraries, err := exec.Command("ldd", program).Output()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`=> (/\S+)`).FindAllStringSubmatch(string(libraries), -1) {
		path, err := filepath.EvalSymlinks(filepath.Dir(found[1]))
		if err != nil {
			l.t.Fatal(err)
		}
		path = filepath.Join(path, filepath.Base(found[1]))
		if _, err := os.Stat(filepath.Join(l.root, path)); err != nil {
			bring(found[1], path)
		}
	}
	l.run("mv", "/usr/bin/podman", "/usr/bin/podman.newer")
	bring(program, "/usr/bin/podman")
	const storage = "/etc/containers/storage.conf"
	l.run("mv", storage, storage+".newer")
	l.put(storage, "[storage]\ndriver = \"vfs\"\nrunroot = \"/run/podman4/storage\"\ngraphroot = \"/var/lib/podman4/storage\"\n")
	// This Podman requires higher limits of open files and processes than a machine in a container may have.
	const limits = "/etc/containers/containers.conf.d/podman4.conf"
	l.put(limits, "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n")
	defer func() {
		l.run("rm", limits)
		l.run("mv", storage+".newer", storage)
		l.run("mv", "/usr/bin/podman.newer", "/usr/bin/podman")
	}()
	l.t.Log(l.run("podman", "--version"))

	l.push("gen", "good")
	old := l.version
	l.sh("cd /etc/systemd/system && podman create --name gen --label io.containers.autoupdate=registry --label io.eventsvc.autoupdate.settle=4s " +
		"--network=host --cgroups=disabled --health-cmd 'test -e /healthy' --health-interval=1s --health-retries=2 --health-start-period=1s " +
		goodRegistry + "/gen:latest && podman generate systemd --new --files --name gen && podman rm gen && " +
		// The containers of this machine have no cgroup, and generate leaves that option out.
		"sed -i s/--cgroups=no-conmon/--cgroups=disabled/ container-gen.service")
	l.run("systemctl", "daemon-reload")
	if out, err := l.try("systemctl", "start", "container-gen"); err != nil {
		l.t.Fatalf("%v: %s%s", err, out, l.run("journalctl", "-q", "-o", "cat", "-n", "20", "-u", "container-gen"))
	}
	results, code := l.update()
	l.want(results, "gen", autoupdate.Unchanged, old)
	l.wantCode(code, 0)
	for _, kind := range []string{"good", "exit", "late", "sick", "good"} {
		l.push("gen", kind)
		results, code := l.update()
		if kind == "good" {
			old = l.version
			l.want(results, "gen", autoupdate.Updated, old)
			l.wantCode(code, 0)
		} else {
			l.want(results, "gen", autoupdate.RolledBack, old)
			l.wantCode(code, 3)
		}
		if u := results["gen"].Unit; u != "container-gen.service" {
			l.t.Errorf("the unit is %q", u)
		}
	}
	events := l.run("podman", "events", "--stream=false", "--since", "1h", "--filter", "event=auto-update", "--filter", "container=gen")
	if n := strings.Count(events, "container auto-update"); n != 5 {
		l.t.Errorf("podman events shows %d outcomes, want 5:\n%s", n, events)
	}
	l.run("systemctl", "stop", "container-gen")
	l.run("rm", "/etc/systemd/system/container-gen.service")
	l.run("systemctl", "daemon-reload")
}
