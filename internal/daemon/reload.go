package daemon

import (
	"context"
	"log/slog"
	"log/syslog"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/eventsvc/eventsvc/internal/messageid"
)

// reloadOnHangups reloads for each SIGHUP, until the context is done.
func (d *daemon) reloadOnHangups(ctx context.Context) {
	for {
		select {
		case <-d.config.Hangups:
			_ = d.Reload() // the error is logged
		case <-ctx.Done():
			return
		}
	}
}

// Reload reads the configuration again and applies what can be changed. An invalid
// configuration changes nothing, and its error is returned. It is safe for concurrent
// use.
func (d *daemon) Reload() error {
	d.reload.Lock()
	defer d.reload.Unlock()
	d.systemd.notify(systemd.SdNotifyReloading + "\n" + strings.TrimSpace(systemd.SdNotifyMonotonicUsec()))
	err := d.config.Reload(d.apply)
	if err != nil {
		d.log.Error("cannot use the new configuration; keeping the current one", messageid.NotReloaded, "error", err)
	}
	d.systemd.notify(systemd.SdNotifyReady + "\n" + d.status(time.Now()))
	return err
}

func (d *daemon) apply(s Settings) {
	d.setLevel(s.LogLevel)
	d.policy.Allow(s.Readers, s.Writers)
	d.server.SetBounds(s.Bounds)
	if d.bus != nil {
		d.bus.SetWriteTimeout(s.Bounds.WriteTimeout)
	}
}

func (d *daemon) setLevel(level slog.Level) {
	if d.config.LevelVar != nil {
		d.config.LevelVar.Set(level)
	}
}

// SetLogLevel sets the level of the log, until the configuration is read again.
func (d *daemon) SetLogLevel(priority int64) {
	level := levelOf(priority)
	d.log.Info("the log level was set", "level", strings.ToLower(level.String()))
	d.setLevel(level)
}

// levelOf returns the log level for the least urgent priority to log, as in
// io.systemd.service and LogLevelMax=.
func levelOf(priority int64) slog.Level {
	switch p := syslog.Priority(priority); {
	case p <= syslog.LOG_ERR:
		return slog.LevelError
	case p == syslog.LOG_WARNING:
		return slog.LevelWarn
	case p <= syslog.LOG_INFO:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
