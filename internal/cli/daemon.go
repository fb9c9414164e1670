package cli

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/version"
	"github.com/eventsvc/eventsvc/service"
	"github.com/eventsvc/eventsvc/service/iopodman"
)

// newLog returns the log of a service. The journal, which says in JOURNAL_STREAM
// that it listens (systemd.exec(5)), has times of its own.
func newLog(w io.Writer) *slog.Logger {
	inJournal := os.Getenv("JOURNAL_STREAM") != ""
	replace := func(groups []string, a slog.Attr) slog.Attr {
		if inJournal && a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		if err, ok := a.Value.Any().(error); ok { // its text, without a stack
			a.Value = slog.StringValue(err.Error())
		}
		return a
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: replace}))
}

// daemon is a store, its feed and the faces that serve it.
type daemon struct {
	store  store.Store
	feed   *feed.Feed
	server *service.Server
	bus    *dbus.Server  // nil: none
	idle   chan struct{} // gets one when the last client has gone; nil: nobody waits for that
}

// faces say who is served, and where apart from the sockets.
type faces struct {
	readers, writers access.Allowed
	bounds           bounds // the zero value: those of package limits
	// bus is what dbus.Options call Bus; "": none.
	bus         string
	busRequired bool
	// untilIdle ends the service with its last client.
	untilIdle bool
}

// newDaemon opens the store and begins to follow it.
func newDaemon(c *choice, f faces, log *slog.Logger) (*daemon, error) {
	st, err := c.openStore(log)
	if err != nil {
		return nil, err
	}
	d := &daemon{store: st, feed: feed.New(st)}
	if f.untilIdle {
		d.idle = make(chan struct{}, 1)
	}
	if err = d.addFaces(f, log); err == nil {
		err = d.feed.Start()
	}
	if err != nil {
		_ = d.stop()
		return nil, err
	}
	return d, nil
}

// addFaces makes the faces. They tell the feed in which forms they send events,
// so it has not been started yet.
func (d *daemon) addFaces(f faces, log *slog.Logger) error {
	policy := access.NewPolicy(f.readers, f.writers, log)
	legacy, err := iopodman.New(iopodman.Options{Feed: d.feed, Access: policy, Version: version.Version, Logger: log})
	if err != nil {
		return err
	}
	d.server, err = service.New(service.Options{
		Feed: d.feed, Access: policy, Version: version.Version, Logger: log, Interfaces: []service.Interface{legacy},
		Connections: f.bounds.connections, ConnectionsPerUID: f.bounds.connectionsPerUID, RequestSize: f.bounds.request,
		WriteTimeout: f.bounds.writeTimeout, Idle: d.noteIdle,
	})
	if err != nil || f.bus == "" {
		return err
	}
	d.bus, err = dbus.New(dbus.Options{
		Feed: d.feed, Access: policy, Version: version.Version, Logger: log, Bus: f.bus, Required: f.busRequired,
		WriteTimeout: f.bounds.writeTimeout,
	})
	return err
}

// tellReady tells systemd that the service can be called, once it has tried to
// own its name on the bus. Without systemd nobody listens, which is no error.
func (d *daemon) tellReady(ctx context.Context, serving string, log *slog.Logger) {
	if d.bus != nil {
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	if _, err := systemd.SdNotify(false, systemd.SdNotifyReady+"\nSTATUS=Serving "+serving); err != nil {
		log.Warn("cannot tell systemd that the service is ready", "error", err)
	}
}

func (d *daemon) noteIdle() {
	select {
	case d.idle <- struct{}{}:
	default:
	}
}

// serve serves listeners until the context is done, and connections until
// their clients are. It returns the first error.
func (d *daemon) serve(ctx context.Context, listeners []*service.Listener, conns []*net.UnixConn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
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
	if d.idle != nil {
		run(func() error {
			select {
			case <-d.idle:
				cancel(nil)
			case <-ctx.Done():
			}
			return nil
		})
	}
	if d.bus != nil {
		run(func() error { return d.bus.Run(ctx) })
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
