package test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// hard lists the tests of faults and hostile clients that are run against the installed
// service. The others need sockets or users of their own.
var hard = []string{
	"TestHostile_calls",
	"TestHostile_pieces",
	"TestHostile_endlessFrames",
	"TestHostile_halfClosed",
	"TestHostile_tenThousandConnections",
	"TestHostile_idleConnections",
	"TestHostile_readersOfAByteASecond",
	"TestLimits_requests",
	"TestDBus_hostileCallers",
	"TestFaults_diskFull",
	"TestFaults_cannotWrite",
	"TestFaults_storeVanishes",
	"TestLog_unreadable",
	"TestLog_comesAndGoes",
	"TestLog_truncated",
	"TestFaults_moreConnectionsThanDescriptors",
	"TestFaults_noDescriptors",
	"TestFaults_diskFails",
	"TestFaults_signalsAndSlowDisk",
	"TestFaults_clockJumps",
	"TestKill_losesNothing",
}

// TestInstalled_faultsAndHostileClients runs this test binary on a booted Debian, against
// the service of the package, in the sandbox of its unit.
func TestInstalled_faultsAndHostileClients(t *testing.T) {
	bootedTree(t)
	testkit.Need(t, "strace")
	pkg := buildPackages(t, "0.1.0~test1")
	m := boot(t, map[string]string{"/etc/containers/containers.conf.d/events.conf": logToFile})
	m.run("apt-get", "install", "-y", "-q", m.bring(pkg, "deb"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.bringProgram(self, "/opt/eventsvc.test")
	m.bringProgram("strace", "/usr/bin/strace")
	m.bringProgram("mkfs.ext4", "/usr/sbin/mkfs.ext4")
	// A disk that fails is a loop device.
	m.sh("mknod /dev/loop-control c 10 237; for i in $(seq 0 31); do mknod /dev/loop$i b 7 $i; done")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := m.command(ctx, unitUnderTest+"=eventsvc.service",
		"/opt/eventsvc.test", "-test.v", "-test.timeout=4m", "-test.run=^("+strings.Join(hard, "|")+")$")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	passed := make(map[string]bool)
	result := regexp.MustCompile(`^ *--- (PASS|SKIP|FAIL): (\w+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.Log(lines.Text())
		if found := result.FindStringSubmatch(lines.Text()); found != nil {
			before, known := passed[found[2]]
			passed[found[2]] = found[1] == "PASS" && (before || !known) // of a test and the parts of it
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, name := range hard {
		if !passed[name] {
			t.Errorf("%s has not passed on the machine", name)
		}
	}
}

// bringProgram copies a program of this host into the machine, with the libraries that
// it is linked with, because the machine may have others.
func (m *machine) bringProgram(name, to string) {
	m.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := exec.Command("ldd", path).Output()
	if err != nil {
		out = nil // it is linked with none
	}
	room := filepath.Join("/opt", filepath.Base(path)+".d")
	var loader string
	for _, file := range append(strings.Fields(string(out)), path) {
		if !filepath.IsAbs(file) {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		at := filepath.Join(room, filepath.Base(file))
		m.put(at, string(content))
		if strings.HasPrefix(filepath.Base(file), "ld-linux") {
			loader = at
		}
	}
	run := filepath.Join(room, filepath.Base(path))
	programs := []string{run}
	if loader != "" {
		programs = append(programs, loader)
		run = loader + " --library-path " + room + " " + run
	}
	for _, program := range programs {
		if err := os.Chmod(filepath.Join(m.root, program), 0o755); err != nil { //nolint:gosec // programs of a system
			m.t.Fatal(err)
		}
	}
	m.put(to, "#!/bin/sh\nexec "+run+` "$@"`+"\n")
}
