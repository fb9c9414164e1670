package daemon

import (
	"context"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// statusPause is the least time between two status lines: clients connect and
// disconnect faster than a person reads.
const statusPause = time.Second

// reportStatus notifies systemd that the service is ready, once it has tried to own its
// name on the bus, and then of each change of the status line.
func (d *daemon) reportStatus(ctx context.Context) {
	if d.bus != nil {
		select {
		case <-d.bus.Ready():
		case <-ctx.Done():
			return
		}
	}
	status := d.status(time.Now())
	d.systemd.notify(systemd.SdNotifyReady + "\n" + status)
	d.log.Info("ready", "serving", d.config.Store.String())
	d.ready.Store(true)
	for {
		select {
		case <-d.changed:
		case <-ctx.Done():
			return
		}
		if now := d.status(time.Now()); now != status && d.ready.Load() {
			status = now
			d.systemd.notify(status)
		}
		sleep.For(ctx, statusPause)
	}
}

// status returns the status line, which systemctl status shows to every user. So it
// contains no names, and a fault without its cause.
func (d *daemon) status(now time.Time) string {
	s := d.feed.Status()
	line := "STATUS=Serving " + d.config.Store.String()
	if s.Fault != "" {
		line += "; there is a fault, which the journal explains"
	}
	line += "; " + count(uint64(d.feed.Subscribers()), "subscriber") + ", " + count(s.Read, "event") + " since the start" //nolint:gosec // not negative
	if !s.Newest.IsZero() {
		line += ", the newest " + ago(now.Sub(s.Newest))
	}
	return line
}

func count(n uint64, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ago formats a duration for a line that is updated twice a minute.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/day)
}

// feedWatchdog notifies systemd that the service is alive, as often as systemd expects,
// and only after the feed has proved it (feed.Probe). While a probe has not returned,
// no other is started.
func (d *daemon) feedWatchdog(ctx context.Context, interval time.Duration) {
	const twice = 2 // sd_watchdog_enabled(3) recommends half of the interval
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
				d.log.Error("cannot prove that the service is alive", messageid.Fault, "error", err)
				complained = true
			} else {
				d.systemd.notify(systemd.SdNotifyWatchdog)
				d.noteChange() // the age of the newest event has changed
				if complained {
					d.log.Info("event feed recovered", messageid.Recovered)
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
				d.log.Error("event feed is not responding: systemd's watchdog is no longer notified, and will restart the service", messageid.Fault,
					"watchdog", interval)
			}
			complained = true
		case <-ctx.Done():
			return
		}
	}
}
