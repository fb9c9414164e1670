package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/test/buspolicy"
)

// dbusPatience is how long a test waits for what has to come.
const dbusPatience = 20 * time.Second

// dbusPeer skips the test if a program is not installed, unless all have to be.
func dbusPeer(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("EVENTSVC_REQUIRE_PEERS") == "1" {
			t.Fatalf("%s is not installed; run test/peers/install.sh", program)
		}
		t.Skipf("%s is not installed; run test/peers/install.sh to have this tested", program)
	}
}

// dbusDir returns a directory that every user can enter.
func dbusDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// busDaemon is a real dbus-daemon on a socket of its own.
type busDaemon struct {
	dir, policy string
	cmd         *exec.Cmd
}

func startBus(t testing.TB, policy string) *busDaemon {
	t.Helper()
	dbusPeer(t, "dbus-daemon")
	d := &busDaemon{dir: dbusDir(t), policy: policy}
	d.start(t)
	t.Cleanup(d.stop)
	return d
}

func (d *busDaemon) address() string { return "unix:path=" + d.dir + "/bus" }

func (d *busDaemon) start(t testing.TB) {
	t.Helper()
	file := filepath.Join(d.dir, "bus.conf")
	config := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>` + d.address() + `</listen><auth>EXTERNAL</auth>` + d.policy + `</busconfig>`
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(d.dir + "/bus")
	d.cmd = exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--print-address=1", "--nopidfile", "--nosyslog")
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon does not start: %v", err)
	}
	if err := os.Chmod(d.dir+"/bus", 0o666); err != nil {
		t.Fatal(err)
	}
}

func (d *busDaemon) stop() {
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

// dbusLog is a buffer for what several goroutines write.
type dbusLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *dbusLog) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *dbusLog) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// dbusRig is the D-Bus face on a bus, with a log file behind it.
type dbusRig struct {
	t      testing.TB
	bus    *busDaemon
	log    string
	feed   *feed.Feed
	logged *dbusLog
}

// serveDBus serves a session bus, or the bus that is given.
func serveDBus(t testing.TB, bus *busDaemon) *dbusRig {
	t.Helper()
	return serveDBusOf(t, bus, filepath.Join(t.TempDir(), "events.log"))
}

// serveDBusOf serves the events of a log file.
func serveDBusOf(t testing.TB, bus *busDaemon, path string) *dbusRig {
	t.Helper()
	if bus == nil {
		bus = startBus(t, buspolicy.Session)
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", bus.address())
	}
	r := &dbusRig{t: t, bus: bus, log: path, logged: new(dbusLog)}
	log := slog.New(slog.NewTextHandler(r.logged, nil))
	st, err := logfile.Open(logfile.Options{Path: r.log})
	if err != nil {
		t.Fatal(err)
	}
	r.feed = feed.New(st)
	server, err := dbus.New(dbus.Options{
		Feed: r.feed, Version: "1.2.3", Logger: log, Bus: bus.address(), Required: true,
		Access: access.NewPolicy(access.Allowed{}, access.Allowed{}, log),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.feed.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.feed.Close()
		st.Close()
	})
	<-server.Ready()
	return r
}

// write appends events as a program beside the service would.
func (r *dbusRig) write(batch ...events.Event) []string {
	r.t.Helper()
	cursors, err := r.feed.Write(context.Background(), batch)
	if err != nil {
		r.t.Fatal(err)
	}
	return cursors
}

// dbusEvent returns the n-th event: container cN was created.
func dbusEvent(n int) events.Event {
	return events.Event{
		Type: events.Container, Status: events.Create, ID: fmt.Sprintf("%064x", n), Name: fmt.Sprintf("c%d", n),
		Image: "quay.io/podman/hello:latest", Time: time.Date(2026, 11, 23, 12, 0, n, 123456789, time.UTC),
		Details: events.Details{Attributes: map[string]string{"PODMAN_SYSTEMD_UNIT": "hello.service", "naïve": "läbel"}},
	}
}

// run runs a client of the bus and returns what it prints.
func (r *dbusRig) run(name string, args ...string) (string, error) {
	r.t.Helper()
	dbusPeer(r.t, name)
	ctx, cancel := context.WithTimeout(context.Background(), dbusPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS="+r.bus.address(), "LC_ALL=C.UTF-8", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *dbusRig) mustRun(name string, args ...string) string {
	r.t.Helper()
	out, err := r.run(name, args...)
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// busctl runs busctl on the bus, as a user would call this service.
func (r *dbusRig) busctl(args ...string) string {
	r.t.Helper()
	return r.mustRun("busctl", append([]string{"--address=" + r.bus.address(), "--no-pager"}, args...)...)
}
