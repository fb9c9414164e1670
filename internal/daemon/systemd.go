package daemon

import (
	"context"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// statusPause is the least time between two status lines: clients come and go
// faster than a person reads.
const statusPause = time.Second

// reportStatus notifies systemd that the service can be called, once it has tried
// to own its name on the bus, and then what it does, whenever that changes.
func (d *daemon) reportStatus(ctx context.Context) {
	if d.bus != nil {
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	d.systemd.notify(systemd.SdNotifyReady + "\n" + d.status())
	d.log.Info("ready", "serving", d.config.Store.String())
	d.ready.Store(true)
	for {
		select {
		case <-d.changed:
		case <-ctx.Done():
			return
		}
		if d.ready.Load() {
			d.systemd.notify(d.status())
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
	return "STATUS=Serving " + d.config.Store.String() + "; " + who
}

// feedWatchdog notifies systemd that the service is alive, as often as it wants
// to know, and only after the feed has proved it (feed.Probe). A probe that does
// not return is not followed by another.
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
				d.systemd.notify(systemd.SdNotifyWatchdog)
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
