package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// duties are what a service does beside serving.
type duties struct {
	reloader *reloader
	hangups  <-chan struct{}
	metrics  *metricsListener // nil: they are shown nowhere
}

// live serves until the end, and does its duties meanwhile.
func (d *daemon) live(ctx context.Context, listeners []*varlinkwire.Listener, g *given, also *duties) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	if g.isForHost(listeners) {
		running.Go(func() { d.tellReady(ctx) })
		if interval, err := systemd.SdWatchdogEnabled(false); err != nil {
			d.log.Warn("cannot understand how often systemd wants to know that the service is alive", "error", err)
		} else if interval > 0 {
			running.Go(func() { d.feedWatchdog(ctx, interval) })
		}
	}
	running.Go(func() { also.reloader.onHangups(ctx, also.hangups) })
	if also.metrics != nil {
		running.Go(func() { d.showMetrics(ctx, also.metrics) })
	}
	err := d.serve(ctx, listeners, g.Conns)
	if g.wait != nil {
		g.wait()
	}
	return err
}

// statusPause is the least time between two status lines: clients come and go
// faster than anybody reads.
const statusPause = time.Second

// tellReady says that the service can be called, once it has tried to own its
// name on the bus, and then what it does, whenever that changes.
func (d *daemon) tellReady(ctx context.Context) {
	if d.bus != nil {
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	d.systemd.tell(systemd.SdNotifyReady + "\n" + d.status())
	d.log.Info("ready", "serving", d.serving)
	d.ready.Store(true)
	for {
		select {
		case <-d.changed:
		case <-ctx.Done():
			return
		}
		if d.ready.Load() {
			d.systemd.tell(d.status())
		}
		timer := time.NewTimer(statusPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// status is the line that systemctl status shows.
func (d *daemon) status() string {
	n := d.feed.Subscribers()
	who := fmt.Sprintf("%d subscribers", n)
	switch n {
	case 0:
		who = "no subscribers"
	case 1:
		who = "1 subscriber"
	}
	return "STATUS=Serving " + d.serving + "; " + who
}

// noteChange has the status told again. It does not wait.
func (d *daemon) noteChange() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// feedWatchdog tells the manager that the service is alive, as often as it wants
// to know, and only after the feed has proved it (feed.Probe). A probe that does
// not come back is not followed by another.
func (d *daemon) feedWatchdog(ctx context.Context, interval time.Duration) {
	const twice = 2 // sd_watchdog_enabled(3) recommends half of the time
	tick := time.NewTicker(interval / twice)
	defer tick.Stop()
	probed := make(chan error, 1)
	probing, complained := false, false
	for {
		if !probing {
			probing = true
			go func() { probed <- d.feed.Probe(ctx) }()
		}
		select {
		case err := <-probed:
			probing = false
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				d.log.Error("cannot prove that the service is alive", "error", err)
				complained = true
			} else {
				d.systemd.tell(systemd.SdNotifyWatchdog)
				if complained {
					d.log.Info("event feed recovered")
				}
				complained = false
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		case <-tick.C:
			if !complained {
				d.log.Error("event feed is not responding: the watchdog of systemd is no longer notified, and will restart the service",
					"watchdog", interval)
			}
			complained = true
		case <-ctx.Done():
			return
		}
	}
}

// endWhenIdle ends the service when nothing has needed it for a while, in an
// order in which no client is lost:
//
//   - Nothing more is accepted. Who comes now waits in the sockets of systemd,
//     which starts us again for it; sockets of our own let nobody in any more. If
//     somebody came before that, all goes on.
//   - systemd is told, so that it does not take a start that the bus asks for
//     for one of a service that runs.
//   - The name on the bus is given back, and what was called before is answered.
func (d *daemon) endWhenIdle(ctx context.Context, end func()) {
	if d.bus != nil {
		// The bus may have started us for a call that comes with the name.
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	d.idle.start()
	defer d.idle.stop()
	for {
		select {
		case <-d.idle.expired:
		case <-ctx.Done():
			return
		}
		d.server.Pause()
		if !d.idle.isBusy() && d.server.Retire() {
			break
		}
		d.server.Resume()
	}
	d.log.Info("stopping: the service has been idle", "for", d.idle.after)
	d.stopping.Do(d.systemd.tellStopping)
	if d.bus != nil {
		d.bus.Leave(ctx)
	}
	end()
}

// whyStopped says why the service ended.
func whyStopped(ctx context.Context, err error) string {
	switch cause := context.Cause(ctx); {
	case err != nil:
		return err.Error()
	case cause != nil:
		return cause.Error()
	}
	return "idle"
}
