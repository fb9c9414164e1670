package daemon

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/metrics"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/internal/version"
	"github.com/eventsvc/eventsvc/service"
	"github.com/eventsvc/eventsvc/service/iopodman"
)

// daemon is a store, its feed and the interfaces that serve it. Its fields are set
// before it serves.
type daemon struct {
	config  *Config
	log     *slog.Logger
	systemd manager
	feed    *feed.Feed
	policy  *access.Policy
	core    *core.Core
	server  *varlinkwire.Server
	bus     *dbus.Server     // nil: none
	metrics *metrics.Metrics // nil: nothing is counted

	listeners []*varlinkwire.Listener
	shown     *metricsListener // nil: metrics are not served
	closers   []func() error   // of everything open, in the order in which it was opened

	changed  chan struct{}   // has one element when the status line has changed
	ready    atomic.Bool     // systemd was notified
	stopping sync.Once       // systemd is notified once
	idle     *activity.Clock // nil: the service does not exit when idle
	last     chan struct{}   // gets one element when the last client has disconnected; nil: not used
	reload   sync.Mutex      // held while the configuration is read again
}

// Run opens what the configuration says and serves it until the context is done, or
// until the service ends by itself: it was idle, its only client or its bus has
// disconnected, or it failed. It returns an error only if it failed. Everything is
// closed when it returns.
func Run(ctx context.Context, c Config) (err error) {
	leaveRoomForFollower()
	if c.Inherited == nil {
		c.Inherited = new(Inherited)
	}
	d := &daemon{config: &c, log: c.Logger, systemd: manager{c.Logger}, changed: make(chan struct{}, 1)}
	if err := d.open(); err != nil {
		_ = d.close()
		return err
	}
	defer func() {
		d.stopping.Do(d.systemd.notifyStopping)
		if closed := d.close(); err == nil {
			err = closed
		}
		if d.isForHost() {
			d.log.Info("stopped", "cause", whyStopped(ctx, err))
		}
	}()
	if d.isForHost() && c.Started != nil {
		c.Started(d.listeners)
	}
	return d.live(ctx)
}

// whyStopped returns why the service ended, for the log.
func whyStopped(ctx context.Context, err error) string {
	switch cause := context.Cause(ctx); {
	case err != nil:
		return err.Error()
	case cause != nil:
		return cause.Error()
	}
	return "idle"
}

// open opens everything: the sockets first, so that clients wait there, and a second
// service on the same socket fails before it touches the store.
func (d *daemon) open() error {
	c := d.config
	d.onClose(func() error { c.Inherited.Close(); return nil })
	if err := d.listen(); err != nil {
		return &OptionError{"listen", err}
	}
	if c.Metrics != nil {
		shown, closeIt, err := c.Metrics.listen()
		if err != nil {
			return &OptionError{"metrics", err}
		}
		d.onClose(func() error { _ = closeIt(); return nil })
		d.shown = shown
	}
	st, err := c.Store.open(d.log)
	if err != nil {
		return err
	}
	d.onClose(st.Close)
	d.follow(st)
	if err := d.addInterfaces(); err != nil {
		return err
	}
	return d.feed.Start()
}

// onClose adds a function for close to call, perhaps after what it closes has ended.
func (d *daemon) onClose(f func() error) { d.closers = append(d.closers, f) }

// close notifies the clients, and closes everything, the latest first. It returns the
// first error.
func (d *daemon) close() (err error) {
	for len(d.closers) > 0 {
		last := len(d.closers) - 1
		if failed := d.closers[last](); err == nil {
			err = failed
		}
		d.closers = d.closers[:last]
	}
	return err
}

// listen opens the sockets to accept connections on, in addition to those that systemd
// passed.
func (d *daemon) listen() error {
	d.listeners = d.config.Inherited.Listeners
	for _, address := range d.config.Listen {
		l, err := address.Listen()
		if err != nil && d.config.ListenOptional {
			d.log.Warn("serving only the bus, without a Varlink socket", "error", err)
			continue
		}
		if err != nil {
			return err
		}
		d.onClose(func() error { _ = l.Close(); return nil })
		d.listeners = append(d.listeners, l)
	}
	for _, name := range d.config.Inherited.UnknownNames() {
		d.log.Warn("unknown FileDescriptorName=: the socket is served as the usual one; "+
			"FileDescriptorName= may be varlink, legacy or readonly", "name", name)
	}
	return nil
}

// isForHost reports whether the process serves any client, on sockets or on a bus, and
// not only clients that it was connected to.
func (d *daemon) isForHost() bool { return len(d.listeners) > 0 || len(d.config.Inherited.Conns) == 0 }

// follow makes the feed of a store, and the core between it and the interfaces.
func (d *daemon) follow(st store.Store) {
	d.feed = feed.New(st)
	d.onClose(func() error { d.feed.Close(); return nil })
	d.policy = access.NewPolicy(d.config.Readers, d.config.Writers, d.log)
	d.policy.Foreign = d.config.Store.IsForeign()
	d.core = core.New(d.feed, d.policy, d.log)
	d.feed.OnSubscribers(d.noteChange)
}

// stopTimeout bounds the whole of a clean end. systemd allows 90 seconds.
const stopTimeout = 10 * time.Second

// addInterfaces makes the interfaces. They register their event formats with the feed,
// so it has not been started yet.
func (d *daemon) addInterfaces() (err error) {
	c := d.config
	o := service.Options{Core: d.core, Options: varlinkwire.Options{
		Version: version.Version, Logger: d.log, Interfaces: []varlinkwire.Interface{iopodman.New(d.core, version.Version)},
		Connections: c.Bounds.Connections, ConnectionsPerUID: c.Bounds.ConnectionsPerUID,
		RequestSize: c.Bounds.RequestSize, WriteTimeout: c.Bounds.WriteTimeout, Idle: d.noteLast,
	}}
	b := dbus.Options{
		Core: d.core, Version: version.Version, Logger: d.log, Bus: c.Bus, Required: c.BusRequired,
		Once: c.Bus == dbus.StarterBus, WriteTimeout: c.Bounds.WriteTimeout,
	}
	if c.Reload != nil {
		o.Systemd = d
	}
	isBridged := c.Inherited.isBridged()
	if isBridged {
		d.last = make(chan struct{}, 1)
	}
	if c.IdleAfter > 0 && d.isForHost() { // otherwise it ends with its client
		d.idle = activity.NewClock(c.IdleAfter)
		o.Activity, b.Activity = d.idle, d.idle
	}
	if d.server, err = service.New(o); err != nil {
		return err
	}
	d.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return d.server.Shutdown(ctx)
	})
	if isForSome := isBridged || !d.isForHost(); c.Bus != "" && (c.BusRequired || !isForSome) {
		if d.bus, err = dbus.New(b); err != nil {
			return err
		}
	}
	if d.shown != nil {
		return d.addMetrics()
	}
	return nil
}

// addMetrics connects the metrics to everything they count.
func (d *daemon) addMetrics() (err error) {
	s := metrics.Sources{
		Status: d.feed.Status, Subscribers: d.feed.SubscribersByInterface, Denials: d.policy.Denials, Connections: d.server.Connections,
	}
	if d.bus != nil {
		s.Calls = d.bus.Calls
	}
	if d.metrics, err = metrics.New(version.Version, s); err != nil {
		return err
	}
	d.feed.Observe(d.metrics)
	return nil
}

// noteLast notes that the last client has disconnected.
func (d *daemon) noteLast() { note(d.last) }

// noteChange notes that the status line has changed.
func (d *daemon) noteChange() { note(d.changed) }

// note fills a channel of capacity 1, unless it is nil. It does not block.
func note(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spareProcs is how many more threads may run Go code than there are processors.
const spareProcs = 4

// leaveRoomForFollower lets the kernel, not Go's scheduler, decide what runs when there
// is more to do than there are processors. Then the thread that notes a new generation
// of the log never waits for one that serves clients. With only as many threads as
// processors, followers of a log that is rotated hundreds of times a second lose their
// place in it.
func leaveRoomForFollower() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + spareProcs)
	}
}
