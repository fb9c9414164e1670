package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestMain(m *testing.M) {
	os.Unsetenv("NOTIFY_SOCKET")
	os.Exit(m.Run())
}

// rig is a configuration in a directory of its own, and the service that runs it.
type rig struct {
	t      *testing.T
	dir    string
	log    testkit.Buffer
	config Config
	end    context.CancelCauseFunc
	ended  chan struct{} // closed when Run has returned err
	err    error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: testkit.OpenDir(t), ended: make(chan struct{})}
	r.config = Config{
		Store:    Store{Backend: events.LogFile, Path: filepath.Join(r.dir, "log"), Own: true},
		Listen:   []varlinkwire.Address{{Path: r.socket()}},
		LevelVar: new(slog.LevelVar),
	}
	r.config.Logger = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: r.config.LevelVar}))
	return r
}

func (r *rig) socket() string { return filepath.Join(r.dir, "s") }

// start runs the service and returns when it is open.
func (r *rig) start() {
	r.t.Helper()
	ctx, end := context.WithCancelCause(context.Background())
	started := make(chan struct{})
	r.config.Started = func([]*varlinkwire.Listener) { close(started) }
	r.end = end
	go func() {
		defer close(r.ended)
		r.err = Run(ctx, r.config)
	}()
	r.t.Cleanup(func() { end(nil); <-r.ended })
	select {
	case <-started:
	case <-r.ended:
		r.t.Fatalf("the service ends with %v", r.err)
	}
}

// await returns how the service ended.
func (r *rig) await() error {
	r.t.Helper()
	select {
	case <-r.ended:
		return r.err
	case <-time.After(20 * time.Second):
		r.t.Fatal("the service does not end")
		return nil
	}
}

func (r *rig) client() *client.Client {
	r.t.Helper()
	c, err := client.New("unix:" + r.socket())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// expect waits until a text has been logged.
func (r *rig) expect(text string) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("the log has no %q: %s", text, r.log.String())
		}
	}
}

// TestRun_untilItsContextEnds: what is written comes back, and at the end the
// socket is gone and the log says why.
func TestRun_untilItsContextEnds(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.client()
	e := events.NewEvent(events.Create)
	e.Type, e.Name = events.Volume, "v"
	if _, err := c.WriteEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	last, err := c.GetLastEvent(t.Context())
	if err != nil || last.Name != "v" {
		t.Errorf("the last event is %v, %v", last, err)
	}
	r.end(os.ErrProcessDone)
	if err := r.await(); err != nil {
		t.Error(err)
	}
	r.expect("msg=stopped cause=\"" + os.ErrProcessDone.Error())
	if _, err := os.Lstat(r.socket()); err == nil {
		t.Error("the socket is still there")
	}
}

// TestRun_failureLeavesNothingOpen: each thing that can fail at the start closes
// what was opened before, and is reported under the option that it is about.
func TestRun_failureLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		change       func(r *rig)
		option, want string
	}{
		"a second socket": {func(r *rig) {
			r.config.Listen = append(r.config.Listen, varlinkwire.Address{Path: r.dir + "/none/s"})
		}, "listen", "cannot listen on"},
		"metrics": {func(r *rig) {
			r.config.Metrics = &MetricsAddress{Port: netip.MustParseAddrPort(taken.Addr().String())}
		}, "metrics", "cannot serve metrics"},
		"the store": {func(r *rig) {
			if err := os.WriteFile(r.dir+"/file", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r.config.Store.Path = r.dir + "/file/log"
		}, "", "not a directory"},
		"a bus that is required": {func(r *rig) {
			r.config.Bus, r.config.BusRequired = "unix:path="+r.dir+"/none", true
		}, "", "cannot connect to the bus"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			test.change(r)
			before := descriptors(t)
			err := Run(t.Context(), r.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v", err)
			}
			var about *OptionError
			errors.As(err, &about)
			if about == nil && test.option != "" || about != nil && about.Option != test.option {
				t.Errorf("the error is about %+v, want %q", about, test.option)
			}
			if _, err := os.Lstat(r.socket()); err == nil {
				t.Error("the socket is still there")
			}
			if after := descriptors(t); after > before {
				t.Errorf("%d descriptors are open, before %d", after, before)
			}
		})
	}
}

// TestRun_optionalSocket: a service for a bus starts without a socket.
func TestRun_optionalSocket(t *testing.T) {
	r := newRig(t)
	r.config.Listen, r.config.ListenOptional = []varlinkwire.Address{{Path: r.dir + "/none/s"}}, true
	r.config.Bus = testkit.StartBus(t, buspolicy.Session).Address()
	r.start()
	r.expect("msg=ready")
	r.expect("without a Varlink socket")
	r.end(nil)
	if err := r.await(); err != nil {
		t.Error(err)
	}
}

// TestRun_endsWithItsClient: a process for one client needs no signal, and no bus.
func TestRun_endsWithItsClient(t *testing.T) {
	r := newRig(t)
	r.config.Listen, r.config.Bus = nil, dbus.SystemBus
	reader, writer := io.Pipe()
	r.config.Inherited = new(Inherited)
	var replies testkit.Buffer
	if err := r.config.Inherited.addStdio(reader, &replies); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(writer, `{"method":"io.systemd.service.Ping"}`+"\x00")
		_ = writer.Close()
	}()
	r.config.Started = func([]*varlinkwire.Listener) { t.Error("a process for one client is announced") }
	if err := Run(t.Context(), r.config); err != nil {
		t.Error(err)
	}
	if got := strings.TrimRight(replies.String(), "\x00"); got != `{"parameters":{}}` && got != `{}` {
		t.Errorf("the reply is %q", got)
	}
	if r.log.String() != "" {
		t.Errorf("the log says %s", r.log.String())
	}
}

// TestRun_endsWhenIdle: systemd knows of it before the service gives anything up.
func TestRun_endsWhenIdle(t *testing.T) {
	r := newRig(t)
	m := testkit.ListenAsManager(t, r.dir)
	t.Setenv("NOTIFY_SOCKET", m.Path)
	r.config.IdleAfter = 50 * time.Millisecond
	r.start()
	m.Await("STOPPING=1")
	m.Await("BARRIER=1", "STOPPING=1")
	if err := r.await(); err != nil {
		t.Error(err)
	}
	r.expect("cause=idle")
}

// TestReload_appliesSettings: what Reload hands over takes effect at once, and an
// error changes nothing.
func TestReload_appliesSettings(t *testing.T) {
	r := newRig(t)
	m := testkit.ListenAsManager(t, r.dir)
	t.Setenv("NOTIFY_SOCKET", m.Path)
	hangups := make(chan struct{})
	var next atomic.Pointer[Settings] // nil: the configuration is bad
	r.config.Hangups = hangups
	r.config.Reload = func(apply func(Settings)) error {
		s := next.Load()
		if s == nil {
			return os.ErrInvalid
		}
		apply(*s)
		return nil
	}
	r.start()
	m.Await("READY=1")
	next.Store(&Settings{Readers: access.Allowed{}, LogLevel: slog.LevelDebug, Bounds: varlinkwire.Bounds{Connections: 1}})
	hangups <- struct{}{}
	m.Await("RELOADING=1\nMONOTONIC_USEC=")
	m.Await("READY=1\nSTATUS=Serving log file")
	if got := r.config.LevelVar.Level(); got != slog.LevelDebug {
		t.Errorf("the log level is %v", got)
	}
	next.Store(nil)
	hangups <- struct{}{}
	m.Await("READY=1")
	r.expect("cannot use the new configuration; keeping the current one")
	if got := r.config.LevelVar.Level(); got != slog.LevelDebug {
		t.Errorf("after an error the log level is %v", got)
	}
}

// stalling is a store whose lock is held for as long as the test likes.
type stalling struct {
	store.Store
	held chan struct{} // receives one to let a look through
}

func (s *stalling) Look() error { <-s.held; return s.Store.Look() }

// Probe hides that of the log file after the lock.
func (s *stalling) Probe(ctx context.Context) error {
	<-s.held
	return s.Store.Probe(ctx)
}

// TestWatchdog_onlyWhileTheFeedMoves: a probe that hangs is no sign of life.
func TestWatchdog_onlyWhileTheFeedMoves(t *testing.T) {
	r := newRig(t)
	m := testkit.ListenAsManager(t, r.dir)
	t.Setenv("NOTIFY_SOCKET", m.Path)
	st, err := logfile.Open(logfile.Options{Path: r.config.Store.Path, Own: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &stalling{st, make(chan struct{})}
	d := &daemon{config: &r.config, log: r.config.Logger, systemd: manager{r.config.Logger}, changed: make(chan struct{}, 1)}
	d.onClose(st.Close)
	d.follow(s)
	if err := d.feed.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.feedWatchdog(ctx, 50*time.Millisecond)
	}()
	expect := func() {
		t.Helper()
		s.held <- struct{}{}
		if got := m.Next(); got != "WATCHDOG=1" {
			t.Errorf("systemd is notified of %q", got)
		}
	}
	// One probe is let through for each notification.
	for range 3 {
		expect()
	}
	// Now the lock is held, and several intervals pass.
	r.expect("event feed is not responding")
	m.ExpectNone(300 * time.Millisecond)
	expect()
	r.expect("event feed recovered")
	close(s.held)
	cancel()
	<-ended
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// TestLevelOf_priorities: the priorities of syslog(3), and none between.
func TestLevelOf_priorities(t *testing.T) {
	for priority, want := range map[int64]slog.Level{
		0: slog.LevelError, 3: slog.LevelError, 4: slog.LevelWarn, 5: slog.LevelInfo, 6: slog.LevelInfo, 7: slog.LevelDebug, 99: slog.LevelDebug,
	} {
		if got := levelOf(priority); got != want {
			t.Errorf("priority %d is %v, want %v", priority, got, want)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
