package test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// dbusPatience is how long a test waits for something that must arrive.
const dbusPatience = 20 * time.Second

// dbusRig is the D-Bus interface on a bus, and its log file.
type dbusRig struct {
	t      testing.TB
	bus    *testkit.Bus
	log    string
	feed   *feed.Feed
	logged *testkit.Buffer
}

// serveDBus serves a session bus, or the bus that is given.
func serveDBus(t testing.TB, bus *testkit.Bus) *dbusRig {
	t.Helper()
	return serveDBusOf(t, bus, filepath.Join(t.TempDir(), "events.log"))
}

// serveDBusOf serves the events of a log file.
func serveDBusOf(t testing.TB, bus *testkit.Bus, path string) *dbusRig {
	t.Helper()
	if bus == nil {
		bus = testkit.StartBus(t, buspolicy.Session)
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", bus.Address())
	}
	r := &dbusRig{t: t, bus: bus, log: path, logged: new(testkit.Buffer)}
	log := slog.New(slog.NewTextHandler(r.logged, nil))
	st, err := logfile.Open(logfile.Options{Path: r.log})
	if err != nil {
		t.Fatal(err)
	}
	r.feed = feed.New(st)
	server, err := dbus.New(dbus.Options{
		Core: core.New(r.feed, nil, log), Version: "1.2.3", Logger: log, Bus: bus.Address(), Required: true,
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

// write appends events as another program than the service would.
func (r *dbusRig) write(batch ...events.Event) []string {
	r.t.Helper()
	cursors, err := store.Cursors(r.feed.Write(context.Background(), batch))
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
	testkit.Need(r.t, name)
	ctx, cancel := context.WithTimeout(context.Background(), dbusPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS="+r.bus.Address(), "LC_ALL=C.UTF-8", "NO_COLOR=1")
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
	return r.mustRun("busctl", append([]string{"--address=" + r.bus.Address(), "--no-pager"}, args...)...)
}
