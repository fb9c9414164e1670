package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unitUnderTest is the environment variable that names a systemd unit, eventsvc.service,
// which tests then use instead of a daemon of their own: as installed on the machine that
// they run on, started by systemd in its sandbox. Tests set its options in a file of its
// configuration.
const unitUnderTest = "EVENTSVC_TEST_UNIT"

// The paths of the unit.
const (
	unitOptions = "/etc/eventsvc/eventsvc.toml.d/test.toml"
	unitLog     = "/run/libpod/events/events.log"
	unitSocket  = "/run/eventsvc/io.podman.events"
	unitMetrics = "/run/eventsvc/metrics"
	unitDropIns = "/run/systemd/system/%s.d"
)

// unit is a daemon that systemd starts.
type unit struct {
	d          *daemon
	name       string
	pid        int
	invocation string
	kills      int
}

// newUnit describes the unit under test. Its log, and what was mounted there, is removed
// at the end of the test, which fails if anything else than the test has ended the
// service.
func newUnit(t testing.TB, name, dir string, args []string) *daemon {
	d := &daemon{t: t, dir: dir, log: unitLog, socket: unitSocket, args: args}
	d.unit = &unit{d: d, name: name}
	d.unit.systemctl("stop", name)
	t.Cleanup(d.unit.end)
	return d
}

func (u *unit) systemctl(args ...string) string {
	u.d.t.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		why, _ := exec.Command("journalctl", "--no-pager", "--lines=30").CombinedOutput()
		u.d.t.Fatalf("systemctl %s: %v\n%s%s", strings.Join(args, " "), err, out, why)
	}
	return strings.TrimSpace(string(out))
}

func (u *unit) property(name string) string {
	u.d.t.Helper()
	return u.systemctl("show", "--property="+name, "--value", u.name)
}

func (u *unit) number(property string) int {
	u.d.t.Helper()
	n, err := strconv.Atoi(u.property(property))
	if err != nil {
		u.d.t.Fatal(err)
	}
	return n
}

// start starts the service with the options of the test, and returns when it
// is in its sandbox and ready.
func (u *unit) start() {
	u.d.t.Helper()
	options := fmt.Sprintf("metrics = %q\n", "unix:"+unitMetrics)
	for i := 0; i+1 < len(u.d.args); i += 2 {
		options += fmt.Sprintf("%s = %q\n", strings.TrimPrefix(u.d.args[i], "--"), u.d.args[i+1])
	}
	if err := os.MkdirAll(filepath.Dir(unitOptions), 0o755); err != nil { //nolint:gosec // the configuration of a system
		u.d.t.Fatal(err)
	}
	if err := os.WriteFile(unitOptions, []byte(options), 0o644); err != nil { //nolint:gosec // the same
		u.d.t.Fatal(err)
	}
	u.systemctl("reset-failed", u.name) // which also forgets how often it was started
	for deadline := time.Now().Add(20 * time.Second); exec.Command("systemctl", "start", u.name).Run() != nil; {
		// Seen once in about two hundred kills, on a machine with twenty runnable processes. "resources" means that systemd
		// itself failed before it executed anything; its log has the reason.
		if result := u.property("Result"); result != "resources" || time.Now().After(deadline) {
			u.systemctl("start", u.name)
			break
		}
		why, _ := exec.Command("journalctl", "--no-pager", "--lines=15").CombinedOutput()
		u.d.t.Logf("systemd itself could not start the service:\n%s", why)
		u.kills++
	}
	u.pid, u.invocation = u.number("MainPID"), u.property("InvocationID")
	for field, want := range map[string]int{"Seccomp": 2, "NoNewPrivs": 1, "CapBnd": 0} {
		if got := u.d.status(field); got != want {
			u.d.t.Fatalf("the service has no sandbox: %s is %d, want %d", field, got, want)
		}
	}
}

func (u *unit) kill() {
	u.d.t.Helper()
	u.kills++
	if err := unix.Kill(u.pid, unix.SIGKILL); err != nil {
		u.d.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); u.number("MainPID") == u.pid; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			u.d.t.Fatal("systemd does not notice that the service was killed")
		}
	}
}

func (u *unit) stop() {
	u.d.t.Helper()
	u.systemctl("stop", u.name)
	if result := u.property("Result"); result != "success" {
		u.d.t.Errorf("the service ended with %s:\n%s", result, u.said())
	}
}

// said is what the service has logged since it was last started.
func (u *unit) said() string {
	out, err := exec.Command("journalctl", "--no-pager", "--output=cat", "_SYSTEMD_INVOCATION_ID="+u.invocation).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("journalctl: %v\n%s", err, out)
	}
	return string(out)
}

// end checks that only the test has ended the service, and cleans up.
func (u *unit) end() {
	if restarts := u.number("NRestarts"); restarts > u.kills {
		u.d.t.Errorf("systemd has restarted the service %d times, the test killed it %d times:\n%s", restarts, u.kills, u.said())
	}
	u.stop()
	for _, trouble := range []string{"panic", "fatal error", "SIGSYS"} {
		if said := u.said(); strings.Contains(said, trouble) {
			u.d.t.Errorf("the service says %s:\n%s", trouble, said)
		}
	}
	for mounted := true; mounted; {
		mounted = unix.Unmount(filepath.Dir(unitLog), unix.MNT_DETACH) == nil
	}
	_ = os.RemoveAll(filepath.Dir(unitLog))
	if err := os.MkdirAll(filepath.Dir(unitLog), 0o700); err != nil {
		u.d.t.Error(err)
	}
	_ = os.Remove(unitOptions)
	if dir := u.dropIns(); os.RemoveAll(dir) == nil {
		u.systemctl("daemon-reload")
	}
}

func (u *unit) dropIns() string { return fmt.Sprintf(unitDropIns, u.name) }

// limitDescriptors limits the descriptors of the daemon that is started next.
func (d *daemon) limitDescriptors(n int) {
	d.t.Helper()
	if d.unit == nil {
		d.enter = func(args ...string) *exec.Cmd {
			return exec.Command("prlimit", append([]string{fmt.Sprintf("--nofile=%d:%d", n, n)}, args...)...)
		}
		return
	}
	dir := d.unit.dropIns()
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // directories of a system
		d.t.Fatal(err)
	}
	text := fmt.Sprintf("[Service]\nLimitNOFILE=%d\n", n)
	if err := os.WriteFile(filepath.Join(dir, "descriptors.conf"), []byte(text), 0o644); err != nil { //nolint:gosec // the same
		d.t.Fatal(err)
	}
	d.unit.systemctl("daemon-reload")
}

// goroutines returns the number of the daemon's goroutines, including those of this call.
func (d *daemon) goroutines() int {
	d.t.Helper()
	socket := filepath.Join(d.dir, "metrics")
	if d.unit != nil {
		socket = unitMetrics
	}
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	answer, err := c.Get("http://localhost/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(line, "go_goroutines %d", &n); err == nil {
			return n
		}
	}
	d.t.Fatalf("the metrics have no goroutines:\n%s", text)
	return 0
}
