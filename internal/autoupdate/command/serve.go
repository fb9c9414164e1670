package command

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/autoupdate/calls"
	"github.com/eventsvc/eventsvc/internal/autoupdate/dbus"
	"github.com/eventsvc/eventsvc/internal/autoupdate/varlink"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/internal/version"
)

// stopTime bounds how long the service takes to end, interrupted runs included.
const stopTime = 20 * time.Second

// serveOptions say where auto-update is served.
type serveOptions struct {
	listen   []string
	bus      string
	idleExit time.Duration
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use: "serve", Short: "Serve auto-update over Varlink and D-Bus", Args: cobra.NoArgs,
		Long: `Serve io.podman.autoupdate on the sockets that systemd passes and on those of
--listen, and io.podman.AutoUpdate1 on D-Bus. Root may call, and for the service
of a user that user.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), o) },
	}
	byDefault := dbuswire.SessionBus
	if os.Geteuid() == 0 {
		byDefault = dbuswire.SystemBus
	}
	f := c.Flags()
	f.StringArrayVar(&o.listen, "listen", nil, "also listen on `ADDRESS` (unix:PATH[,mode=MODE]); may be repeated")
	f.StringVar(&o.bus, "dbus", byDefault, "serve `BUS`: system, session, starter, an address, or none")
	f.DurationVar(&o.idleExit, "exit-idle-time", 0, "exit after `DURATION` without clients and runs (default: never)")
	return c
}

// serve serves until the context ends or the service is idle.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	if o.bus != "none" {
		if err := dbuswire.CheckBus(o.bus); err != nil {
			return err
		}
	}
	log := servicelog.New("eventsvc-updater", a.stderr, nil)
	given, err := varlinkwire.FromActivation()
	if err != nil {
		return err
	}
	listeners := given.Listeners
	for _, address := range o.listen {
		l, err := varlinkwire.Listen(address)
		if err != nil {
			return err
		}
		defer l.Close()
		listeners = append(listeners, l)
	}
	if len(listeners)+len(given.Conns) == 0 && o.bus == "none" {
		return errors.New("cannot serve auto-update: there is neither a socket nor a bus; use --listen or --dbus")
	}
	idle := activity.NewClock(o.idleExit)
	open := func(ctx context.Context, progress func(autoupdate.Step)) (*autoupdate.Updater, func(), error) {
		u, end, err := a.open(ctx)
		if err == nil {
			u.Progress = progress
		}
		return u, end, err
	}
	a.progress = false
	c := calls.New(func() *autoupdate.Updater { return a.updater(nil, nil) }, open, idle, log)
	defer c.Stop()
	server, err := varlink.New(c, version.Version, idle, log)
	if err != nil {
		return err
	}
	var bus *dbuswire.Service
	if o.bus != "none" {
		if bus, err = dbus.New(c, o.bus, version.Version, idle, log); err != nil {
			return err
		}
	}
	return (&service{server, bus, c, idle, o.idleExit}).run(ctx, listeners, given.Conns)
}

// service is the running service.
type service struct {
	server *varlinkwire.Server
	bus    *dbuswire.Service // nil: none
	calls  *calls.Calls
	idle   *activity.Clock
	// idleAfter is how long the service may be idle before it ends; 0: for ever.
	idleAfter time.Duration
}

// run serves until the context ends or the service is idle. It ends cleanly: runs are
// interrupted, and their clients get an error.
func (s *service) run(ctx context.Context, listeners []*varlinkwire.Listener, conns []*net.UnixConn) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	serve := func(serve func() error) {
		all.Go(func() {
			if err := serve(); err != nil {
				stop(err)
			}
		})
	}
	for _, l := range listeners {
		serve(func() error { return s.server.Serve(ctx, l) })
	}
	for _, c := range conns {
		serve(func() error { return s.server.ServeConn(ctx, c) })
	}
	if s.bus != nil {
		serve(func() error { return s.bus.Run(ctx) })
	}
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReady) // a no-op without systemd
	if s.idleAfter > 0 {
		all.Go(func() { s.endWhenIdle(ctx, len(listeners), func() { stop(nil) }) })
	}
	<-ctx.Done()
	_, _ = systemd.SdNotify(false, systemd.SdNotifyStopping)
	s.calls.Stop()
	end, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := s.server.Shutdown(end)
	all.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// endWhenIdle ends the service when nothing has needed it for a while. A client that
// connects meanwhile waits in systemd's socket, or is served.
func (s *service) endWhenIdle(ctx context.Context, listeners int, end func()) {
	s.server.AwaitListeners(ctx, listeners)
	if s.bus != nil {
		select {
		case <-s.bus.Ready():
		case <-ctx.Done():
		}
	}
	if !s.idle.AwaitIdle(ctx, s.server) {
		return
	}
	// First, so that systemd does not take a start that the bus then requests as one of
	// a running service.
	_, _ = systemd.SdNotify(false, systemd.SdNotifyStopping)
	if s.bus != nil {
		s.bus.Leave(ctx)
	}
	end()
}
