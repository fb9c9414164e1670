package dbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// patience is how long a test waits for what has to come. It is far more than
// that needs: running out of it is the failure.
const patience = 20 * time.Second

// otherBus is the environment variable with the address of a bus on which to
// test instead of starting a dbus-daemon: of dbus-broker, in test/dbus_broker.sh.
// Tests that do something to the daemon are skipped then.
const otherBus = "EVENTSVC_TEST_BUS"

// ownDaemon skips the test on a bus that was not started here.
func ownDaemon(t testing.TB) {
	t.Helper()
	if os.Getenv(otherBus) != "" {
		t.Skip("this needs a dbus-daemon of its own")
	}
}

// startDaemon starts a bus of this test's own.
func startDaemon(t testing.TB, policy string) *testkit.Bus {
	t.Helper()
	ownDaemon(t)
	return testkit.StartBus(t, policy)
}

// rig is a server on a bus, with a log file after it.
type rig struct {
	t      testing.TB
	daemon *testkit.Bus
	log    string // path of the log file
	store  *logfile.Store
	feed   *feed.Feed
	server *Server
	logged *testkit.Buffer

	panics bool // something is meant to panic

	stop  context.CancelFunc
	ended chan error
}

// newRig starts a session bus, if there is no daemon given, and a server on it.
func newRig(t testing.TB, d *testkit.Bus, change ...func(*Options)) *rig {
	t.Helper()
	return startRig(t, d, func(st store.Store) store.Store { return st }, change...)
}

// newRigOn is newRig with a store around its own.
func newRigOn(t testing.TB, around func(store.Store) store.Store) *rig {
	t.Helper()
	return startRig(t, nil, around)
}

func startRig(t testing.TB, d *testkit.Bus, around func(store.Store) store.Store, change ...func(*Options)) *rig {
	t.Helper()
	if address := os.Getenv(otherBus); d == nil && address != "" {
		d = &testkit.Bus{Path: strings.TrimPrefix(address, "unix:path=")}
	}
	if d == nil {
		d = startDaemon(t, buspolicy.Session)
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", d.Address())
	}
	r := &rig{t: t, daemon: d, log: filepath.Join(t.TempDir(), "events.log"), logged: new(testkit.Buffer), ended: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(r.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.store, err = logfile.Open(logfile.Options{Path: r.log}); err != nil {
		t.Fatal(err)
	}
	r.feed = feed.New(around(r.store))
	options := Options{Core: core.New(r.feed, nil, log), Version: "1.2.3", Logger: log, Bus: d.Address(), Required: true}
	for _, c := range change {
		c(&options)
	}
	if r.server, err = New(options); err != nil {
		t.Fatal(err)
	}
	if err := r.feed.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.ended <- r.server.Run(ctx) }()
	t.Cleanup(r.end)
	select {
	case <-r.server.Ready():
	case <-time.After(patience):
		t.Fatal("the server does not get ready")
	}
	return r
}

func (r *rig) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		r.t.Error("Run does not return")
	}
	r.feed.Close()
	r.store.Close()
	if !r.panics && strings.Contains(r.logged.String(), "a call panicked") {
		r.t.Errorf("something panicked:\n%s", r.logged)
	}
}

// client connects to the bus as a client.
func (r *rig) client() *godbus.Conn {
	r.t.Helper()
	c, err := godbus.Connect(r.daemon.Address())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func object(c *godbus.Conn) godbus.BusObject { return c.Object(eventsInterface, eventsPath) }

// ask calls a method of the service and returns what it answers.
func ask(t testing.TB, c *godbus.Conn, method string, args ...any) []any {
	t.Helper()
	out, err := try(c, method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return out
}

func try(c *godbus.Conn, method string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if !strings.Contains(method, ".") {
		method = eventsInterface + "." + method
	}
	call := object(c).CallWithContext(ctx, method, 0, args...)
	return call.Body, call.Err
}

type dict = map[string]godbus.Variant

func v(x any) godbus.Variant { return godbus.MakeVariant(x) }

// write appends events to the store, as a program beside the service would.
func (r *rig) write(batch ...events.Event) []string {
	r.t.Helper()
	cursors, err := store.Cursors(r.feed.Write(context.Background(), batch))
	if err != nil {
		r.t.Fatal(err)
	}
	return cursors
}

// firstTime is the time of the first of the events that event makes.
var firstTime = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

// event returns the n-th event: a container of the name cN, created n seconds
// after firstTime.
func event(n int) events.Event {
	return events.Event{
		Type: events.Container, Status: events.Create, ID: fmt.Sprintf("%064x", n), Name: fmt.Sprintf("c%d", n),
		Image: "quay.io/podman/hello:latest", Time: firstTime.Add(time.Duration(n) * time.Second),
	}
}

func eventRange(from, to int) []events.Event {
	var list []events.Event
	for n := from; n < to; n++ {
		list = append(list, event(n))
	}
	return list
}

// signals makes the client hear signals, and returns where they come.
func hear(c *godbus.Conn) chan *godbus.Signal {
	ch := make(chan *godbus.Signal, 100_000)
	c.Signal(ch)
	return ch
}

// next waits for the next signal of this service other than Live.
func next(t testing.TB, ch chan *godbus.Signal) *godbus.Signal {
	t.Helper()
	for {
		if s := nextSignal(t, ch); s.Name != eventsInterface+".Live" {
			return s
		}
	}
}

// nextSignal waits for the next signal of this service.
func nextSignal(t testing.TB, ch chan *godbus.Signal) *godbus.Signal {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case s := <-ch:
			if s == nil {
				t.Fatal("the connection was closed")
			}
			if strings.HasPrefix(s.Name, eventsInterface) {
				return s
			}
		case <-timeout:
			t.Fatal("no signal comes")
		}
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happens that %s", what)
		}
	}
}
