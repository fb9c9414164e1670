package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// liveOption is what can be changed while the service runs.
type liveOption struct {
	// flags are the flags that it is about.
	flags []string
	// prepare reads their values, and returns what puts them into effect, which
	// cannot fail. Nothing takes effect unless all can be prepared.
	prepare func(flags *pflag.FlagSet) (apply func(), err error)
}

// reloader reads the configuration again while the service runs. It is safe for
// concurrent use.
type reloader struct {
	log     *slog.Logger
	level   *slog.LevelVar
	env     config.Environment
	systemd manager
	fresh   func() *pflag.FlagSet // the flags of serve, none of them set

	mu      sync.Mutex
	options *options
	live    []liveOption
	status  func() string // the status line once it is over; nil: none
}

// onHangups reloads for each SIGHUP, until the context is done.
func (r *reloader) onHangups(ctx context.Context, hangups <-chan struct{}) {
	for {
		select {
		case <-hangups:
			_ = r.Reload() // the log says what is wrong
		case <-ctx.Done():
			return
		}
	}
}

// Reload reads the configuration and puts into effect what can be. A bad
// configuration leaves the present one as it is, and is returned.
func (r *reloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.systemd.tell(systemd.SdNotifyReloading + "\n" + strings.TrimSpace(systemd.SdNotifyMonotonicUsec()))
	err := r.reload()
	if err != nil {
		r.log.Error("cannot use the new configuration; going on with the present one", "error", err)
	}
	ready := systemd.SdNotifyReady
	if r.status != nil {
		ready += "\n" + r.status()
	}
	r.systemd.tell(ready)
	return err
}

func (r *reloader) reload() error {
	next, err := r.options.again(r.fresh(), r.env)
	if err != nil {
		return err
	}
	var effects []func()
	isLive := map[string]bool{}
	for _, option := range r.live {
		apply, err := option.prepare(next.flags)
		if err != nil {
			return next.blame(err, option.flags...)
		}
		effects = append(effects, apply)
		for _, name := range option.flags {
			isLive[name] = true
		}
	}
	for _, apply := range effects {
		apply()
	}
	changed := next.changed(r.options)
	var done []string
	for _, name := range changed {
		if isLive[name] {
			done = append(done, fmt.Sprintf("%s=%s", name, quotedText(next.flags.Lookup(name))))
			continue
		}
		r.log.Warn("an option changed that takes effect with a restart only", "option", name,
			"value", textOf(next.flags.Lookup(name)), "from", next.source(name), "until then", textOf(r.options.flags.Lookup(name)))
	}
	r.log.Info("read the configuration again", "files", strings.Join(next.files, " "), "changed", strings.Join(done, " "))
	// What takes a restart is still what it was: it is told again next time.
	for _, name := range changed {
		if !isLive[name] {
			if err := keepFlag(next, r.options, name); err != nil {
				return err
			}
		}
	}
	r.options = next
	return nil
}

// keepFlag gives a flag the value and the origin that it had.
func keepFlag(next, before *options, name string) error {
	f, old := next.flags.Lookup(name), before.flags.Lookup(name)
	values := []string{old.Value.String()}
	if list, ok := old.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	if err := setFlag(f, values); err != nil {
		return errors.WithMessagef(err, "cannot keep the option %s", name)
	}
	delete(next.origins, name)
	if origin, ok := before.origins[name]; ok {
		next.origins[name] = origin
	}
	return nil
}

// SetLogLevel sets the level of the log, until the configuration is read again.
func (r *reloader) SetLogLevel(priority int64) {
	level := levelOf(priority)
	r.log.Info("the log level was set", "level", strings.ToLower(level.String()))
	r.level.Set(level)
}

// levelOption is --log-level.
func levelOption(level *slog.LevelVar) liveOption {
	return liveOption{[]string{"log-level"}, func(flags *pflag.FlagSet) (func(), error) {
		word, err := flags.GetString("log-level")
		if err != nil {
			return nil, err
		}
		parsed, err := parseLogLevel(word)
		return func() { level.Set(parsed) }, err
	}}
}

// accessOption is --allow-read and --allow-write. The names of users and groups
// are looked up again.
func accessOption(policy *access.Policy) liveOption {
	return liveOption{[]string{"allow-read", "allow-write"}, func(flags *pflag.FlagSet) (func(), error) {
		var allowed [2]access.Allowed
		for i, name := range []string{"allow-read", "allow-write"} {
			words, err := flags.GetStringArray(name)
			if err == nil {
				allowed[i], err = access.ParseAllowed(words)
			}
			if err != nil {
				return nil, err
			}
		}
		return func() { policy.Allow(allowed[0], allowed[1]) }, nil
	}}
}

// boundFlags are the flags of the bounds that can be changed while the service
// runs.
var boundFlags = []string{"max-connections", "max-connections-per-uid", "write-timeout", "max-request-size"}

// boundsOption are those flags.
func boundsOption(d *daemon) liveOption {
	return liveOption{boundFlags, func(flags *pflag.FlagSet) (func(), error) {
		var l limitFlags
		var failed error
		get := func(err error) {
			if failed == nil {
				failed = err
			}
		}
		var err error
		l.connections, err = flags.GetInt("max-connections")
		get(err)
		l.connectionsPerUID, err = flags.GetInt("max-connections-per-uid")
		get(err)
		l.writeTimeout, err = flags.GetDuration("write-timeout")
		get(err)
		l.requestSize, err = flags.GetString("max-request-size")
		get(err)
		if failed != nil {
			return nil, failed
		}
		b, err := l.bounds()
		return func() {
			d.server.SetBounds(varlinkwire.Bounds{
				Connections: b.connections, ConnectionsPerUID: b.connectionsPerUID, RequestSize: b.request, WriteTimeout: b.writeTimeout,
			})
			if d.bus != nil {
				d.bus.SetWriteTimeout(b.writeTimeout)
			}
		}, err
	}}
}
