package daemon

import (
	"context"
	"errors"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// live serves until the end, and meanwhile does what systemd expects.
func (d *daemon) live(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	if d.isForHost() {
		running.Go(func() { d.reportStatus(ctx) })
		if interval, err := systemd.SdWatchdogEnabled(false); err != nil {
			d.log.Warn("cannot read systemd's watchdog interval", "error", err)
		} else if interval > 0 {
			running.Go(func() { d.feedWatchdog(ctx, interval) })
		}
	}
	if d.config.Reload != nil {
		running.Go(func() { d.reloadOnHangups(ctx) })
	}
	if d.shown != nil {
		running.Go(func() { d.showMetrics(ctx) })
	}
	err := d.serve(ctx)
	if sent := d.config.Inherited.sent; sent != nil {
		<-sent
	}
	return err
}

// failure is the cause of the end of a service that failed.
type failure struct{ error }

// serve serves listeners until the context is done, and connections until their clients
// disconnect. It returns the first error.
func (d *daemon) serve(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { d.stopping.Do(d.systemd.notifyStopping) })()
	var running sync.WaitGroup
	run := func(serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil {
				end(failure{err})
			}
		})
	}
	for _, l := range d.listeners {
		run(func() error { return d.server.Serve(ctx, l) })
	}
	for _, c := range d.config.Inherited.Conns {
		run(func() error { return d.server.ServeConn(ctx, c) })
	}
	if d.last != nil {
		running.Go(func() {
			select {
			case <-d.last:
				end(nil)
			case <-ctx.Done():
			}
		})
	}
	if d.bus != nil {
		run(func() error {
			err := d.bus.Run(ctx)
			if err == nil {
				end(nil) // it has ended with its bus, or is to end anyway
			}
			return err
		})
	}
	if d.idle != nil {
		running.Go(func() {
			d.server.AwaitListeners(ctx, len(d.listeners))
			d.endWhenIdle(ctx, func() { end(nil) })
		})
	}
	running.Wait()
	if failed, ok := errors.AsType[failure](context.Cause(ctx)); ok {
		return failed.error
	}
	return nil
}

// endWhenIdle ends the service when nothing has needed it for a while. The order makes
// sure that no client is lost:
//
//   - Nothing more is accepted. A client that connects now waits in the sockets of
//     systemd, which starts the service again for it; sockets of the service's own
//     refuse connections from now on. If a client connected before, the service
//     continues.
//   - systemd is notified, so that a start requested by the bus is not taken for
//     one of a service that is running.
//   - The name on the bus is given back, and earlier calls get their reply.
func (d *daemon) endWhenIdle(ctx context.Context, end func()) {
	if d.bus != nil {
		// The bus may have started the service for a call that arrives with the name.
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	if !d.idle.AwaitIdle(ctx, d.server) {
		return
	}
	d.log.Info("stopping: the service has been idle", "for", d.config.IdleAfter)
	d.stopping.Do(d.systemd.awaitStopping)
	if d.bus != nil {
		d.bus.Leave(ctx)
	}
	end()
}
