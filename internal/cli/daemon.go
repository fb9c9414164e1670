package cli

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/metrics"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/internal/version"
	"github.com/eventsvc/eventsvc/service"
	"github.com/eventsvc/eventsvc/service/iopodman"
)

// daemon is a store, its feed and the interfaces that serve it.
type daemon struct {
	log     *slog.Logger
	systemd manager
	serving string // what is served, for people
	store   store.Store
	feed    *feed.Feed
	policy  *access.Policy
	core    *core.Core
	server  *varlinkwire.Server
	bus     *dbus.Server     // nil: none
	metrics *metrics.Metrics // nil: nothing is counted

	changed  chan struct{} // holds one when the status has to be told again
	ready    atomic.Bool   // systemd was notified
	stopping sync.Once     // systemd is notified
	idle     *idleClock    // nil: being idle is no reason to end
	last     chan struct{} // gets one when the last client has gone; nil: nobody waits for that
}

// interfaces say who is served, and where apart from the sockets.
type faces struct {
	readers, writers access.Allowed
	bounds           bounds // the zero value: those of package limits
	// bus is what dbus.Options call Bus; "": none.
	bus         string
	busRequired bool
	// untilIdle ends the service with its last client.
	untilIdle bool
	// idleAfter ends it when nothing has needed it for that long; 0: never.
	idleAfter time.Duration
	// metrics are counted if something shows them.
	metrics bool
	// systemd answers the calls that systemd makes; nil: only Ping is.
	systemd varlinkwire.SystemdCalls
}

// newDaemon opens the store and begins to follow it.
func newDaemon(c *choice, f faces, log *slog.Logger) (*daemon, error) {
	st, err := c.openStore(log)
	if err != nil {
		return nil, err
	}
	d := newDaemonOn(st, c, f, log)
	err = d.addFaces(f)
	if err == nil && f.metrics {
		err = d.addMetrics()
	}
	if err == nil {
		err = d.feed.Start()
	}
	if err != nil {
		_ = d.stop()
		return nil, err
	}
	return d, nil
}

// newDaemonOn returns a daemon of a store that nobody is served from yet.
func newDaemonOn(st store.Store, c *choice, f faces, log *slog.Logger) *daemon {
	d := &daemon{
		log: log, systemd: manager{log}, serving: c.String(), store: st, feed: feed.New(st),
		policy: access.NewPolicy(f.readers, f.writers, log), changed: make(chan struct{}, 1),
	}
	d.policy.Foreign = c.isForeign()
	d.core = core.New(d.feed, d.policy, log)
	if f.untilIdle {
		d.last = make(chan struct{}, 1)
	}
	if f.idleAfter > 0 {
		d.idle = newIdleClock(f.idleAfter)
	}
	d.feed.OnSubscribers(d.noteChange)
	return d
}

// addFaces makes the interfaces. They tell the feed in which forms they send events,
// so it has not been started yet.
func (d *daemon) addFaces(f faces) error {
	o := service.Options{Core: d.core, Systemd: f.systemd, Options: varlinkwire.Options{
		Version: version.Version, Logger: d.log, Interfaces: []varlinkwire.Interface{iopodman.New(d.core, version.Version)},
		Connections: f.bounds.connections, ConnectionsPerUID: f.bounds.connectionsPerUID, RequestSize: f.bounds.request,
		WriteTimeout: f.bounds.writeTimeout, Idle: d.noteLast,
	}}
	if d.idle != nil {
		o.Activity = d.idle
	}
	var err error
	d.server, err = service.New(o)
	if err != nil || f.bus == "" {
		return err
	}
	b := dbus.Options{
		Core: d.core, Version: version.Version, Logger: d.log, Bus: f.bus, Required: f.busRequired,
		Once: f.bus == dbus.StarterBus, WriteTimeout: f.bounds.writeTimeout,
	}
	if d.idle != nil {
		b.Activity = d.idle
	}
	d.bus, err = dbus.New(b)
	return err
}

// addMetrics has everything counted.
func (d *daemon) addMetrics() (err error) {
	s := metrics.Sources{
		Status: d.feed.Status, Subscribers: d.feed.SubscribersByFace, Denials: d.policy.Denials, Connections: d.server.Connections,
	}
	if d.bus != nil {
		s.Calls = d.bus.Calls
	}
	d.metrics, err = metrics.New(version.Version, s)
	if err == nil {
		d.feed.Observe(d.metrics)
	}
	return err
}

func (d *daemon) noteLast() {
	select {
	case d.last <- struct{}{}:
	default:
	}
}

// serve serves listeners until the context is done, and connections until
// their clients are. It returns the first error.
func (d *daemon) serve(ctx context.Context, listeners []*varlinkwire.Listener, conns []*net.UnixConn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		d.stopping.Do(func() { d.systemd.tell(systemd.SdNotifyStopping) })
	})()
	var faces sync.WaitGroup
	run := func(face func() error) {
		faces.Go(func() {
			if err := face(); err != nil {
				cancel(err)
			}
		})
	}
	for _, l := range listeners {
		run(func() error { return d.server.Serve(ctx, l) })
	}
	for _, c := range conns {
		run(func() error { return d.server.ServeConn(ctx, c) })
	}
	if d.last != nil {
		run(func() error {
			select {
			case <-d.last:
				cancel(nil)
			case <-ctx.Done():
			}
			return nil
		})
	}
	if d.bus != nil {
		run(func() error {
			err := d.bus.Run(ctx)
			if err == nil {
				cancel(nil) // it has ended with its bus, or is to end anyway
			}
			return err
		})
	}
	if d.idle != nil {
		run(func() error {
			d.server.AwaitListeners(ctx, len(listeners))
			d.endWhenIdle(ctx, func() { cancel(nil) })
			return nil
		})
	}
	faces.Wait()
	return failure(ctx)
}

// stopTimeout bounds the whole of an orderly end. systemd allows 90 seconds.
const stopTimeout = 10 * time.Second

// stop tells the clients, and frees everything.
func (d *daemon) stop() error {
	var err error
	if d.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err = d.server.Shutdown(ctx)
	}
	d.feed.Close()
	if closed := d.store.Close(); err == nil {
		err = closed
	}
	return err
}
