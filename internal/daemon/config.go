// Package daemon runs the service: it opens a store, begins to follow it, serves
// it over Varlink and D-Bus, and does what systemd expects of a service: readiness
// and status, the watchdog, reloading, ending when idle.
//
// A command fills in a Config and calls Run, which returns when the service has
// ended, with everything closed. The package reads no flags and no files of its
// own; what the meaning of a call is it leaves to package core.
package daemon

import (
	"log/slog"
	"time"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// Config says what is served, to whom and where. The zero value of a field means
// none, or the default.
type Config struct {
	// Store is what is read and written.
	Store Store
	// Settings are those that Reload may change.
	Settings
	// Listen is where connections are accepted, beside the inherited sockets.
	Listen []varlinkwire.Address
	// ListenOptional lets the service do without a socket that cannot be opened,
	// with a warning.
	ListenOptional bool
	// Inherited is what the process was started with.
	Inherited *Inherited
	// Bus is dbus.SystemBus, dbus.SessionBus, dbus.StarterBus or the address of a
	// bus; "": no D-Bus.
	Bus string
	// BusRequired makes it an error if the name on the bus cannot be owned at the
	// first try. A bus that is not required is left out in a process that serves
	// one client alone.
	BusRequired bool
	// IdleAfter ends the service when nothing has needed it for so long; 0: never.
	IdleAfter time.Duration
	// Metrics is where Prometheus may read them; nil: nowhere.
	Metrics *MetricsAddress

	// Logger gets what an administrator should know. It must not be nil.
	Logger *slog.Logger
	// LevelVar is the level of Logger; nil: it cannot be changed.
	LevelVar *slog.LevelVar

	// Started is called when everything is open, before the first client is
	// served; nil: nothing is. It is not called in a process that serves one
	// client alone.
	Started func(listeners []*varlinkwire.Listener)
	// Reload reads the configuration again and calls apply with the new settings,
	// or returns what is wrong with it. It is called for each of Hangups and by
	// io.systemd.service, never twice at a time; nil: there is nothing to read.
	Reload  func(apply func(Settings)) error
	Hangups <-chan struct{}
}

// Settings are the part of a Config that can be changed while the service runs.
type Settings struct {
	// Readers may read every event, and Writers may write, beside root and the
	// user of the service.
	Readers, Writers access.Allowed
	// Bounds are those of connections; its WriteTimeout is also that of signals.
	Bounds varlinkwire.Bounds
	// LogLevel is the least level that is logged.
	LogLevel slog.Level
}

// An OptionError is returned by Run for an error that an option of the service is
// about: "listen" or "metrics".
type OptionError struct {
	Option string
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the option.
func (e *OptionError) Unwrap() error { return e.Err }
