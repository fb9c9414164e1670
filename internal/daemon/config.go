// Package daemon runs the service: it opens a store, follows it, serves it over Varlink
// and D-Bus, and does what systemd expects of a service: readiness and status, the
// watchdog, reloading, exit when idle.
//
// A command fills in a Config and calls Run, which returns when the service has ended,
// with everything closed. The package reads no flags and no files of its own. Package
// core carries out the calls.
package daemon

import (
	"log/slog"
	"time"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// Config says what is served, to whom and where. The zero value of a field means none,
// or the default.
type Config struct {
	// Store is the store to read and write.
	Store Store
	// Settings are the settings that Reload may change.
	Settings
	// Listen are the addresses to listen on, in addition to the inherited sockets.
	Listen []varlinkwire.Address
	// ListenOptional makes a socket that cannot be opened a warning.
	ListenOptional bool
	// Inherited is what the process was started with.
	Inherited *Inherited
	// Bus is dbus.SystemBus, dbus.SessionBus, dbus.StarterBus or the address of a
	// bus; "": no D-Bus.
	Bus string
	// BusRequired makes it an error if the name on the bus cannot be owned at the first
	// try. A process that serves only one client leaves out a bus that is not required.
	BusRequired bool
	// IdleAfter ends the service when nothing has needed it for this long; 0: never.
	IdleAfter time.Duration
	// Metrics is where Prometheus may read metrics; nil: nowhere.
	Metrics *MetricsAddress

	// Logger gets messages for the administrator. It must not be nil.
	Logger *slog.Logger
	// LevelVar is the level of Logger; nil: it cannot be changed.
	LevelVar *slog.LevelVar

	// Started is called when everything is open, before the first client is served;
	// nil: not used. It is not called in a process that serves only one client.
	Started func(listeners []*varlinkwire.Listener)
	// Reload reads the configuration again and calls apply with the new settings, or
	// returns what is wrong with it. It is called for each of Hangups and by
	// io.systemd.service, never twice at a time; nil: reloading does nothing.
	Reload  func(apply func(Settings)) error
	Hangups <-chan struct{}
}

// Settings are the part of a Config that can be changed while the service runs.
type Settings struct {
	// Readers may read every event, and Writers may write, in addition to root and the
	// service's user.
	Readers, Writers access.Allowed
	// Bounds are the bounds of connections; its WriteTimeout applies to signals, too.
	Bounds varlinkwire.Bounds
	// LogLevel is the lowest level that is logged.
	LogLevel slog.Level
}

// An OptionError is returned by Run for an error caused by an option of the service:
// "listen" or "metrics".
type OptionError struct {
	Option string
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the option.
func (e *OptionError) Unwrap() error { return e.Err }
