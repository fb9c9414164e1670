package cli

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/internal/version"
)

// serveFlags are the flags of eventsvc serve.
type serveFlags struct {
	backend    string
	logFile    string
	logMaxSize string

	journalDirectory string
	collected        string

	listen     []string
	allowRead  []string
	allowWrite []string
	dbus       string
	logLevel   string
	idleAfter  time.Duration
	metrics    string
	check      bool
	limits     limitFlags
}

// The value of --dbus for no bus, and the prefix for a bus that need not exist, as in
// systemd's units.
const (
	noBus       = "none"
	optionalBus = "-"
)

// bus returns the bus to serve on, "" for none, and whether it is required.
func (f *serveFlags) bus(uid int) (bus string, required bool) {
	bus, isOptional := strings.CutPrefix(f.dbus, optionalBus)
	switch bus {
	case noBus:
		return "", false
	case "":
		return dbus.DefaultBus(uid), false
	}
	return bus, !isOptional
}

const serveLong = `Serve the container events of this host over Varlink (io.podman.events) and D-Bus
(io.podman.Events1), until stopped. Old podman-remote clients (1.x) are served on
the same sockets (io.podman).

It reads and writes the store that the host's Podman uses, according to
containers.conf and Podman's defaults; on a host without Podman, a log file of its
own. At the start it logs which store that is and why.

As root it listens on /run/eventsvc/io.podman.events, as another user on
$XDG_RUNTIME_DIR/eventsvc/io.podman.events, unless --listen names other places.
If systemd passes it sockets, it serves those; if it is passed a connection to one
client, as by 'varlinkctl exec:', it serves that client and exits.

Root and the user of the service may read everything and write. Another user
who can connect may read the events of its own uid, unless it is allowed more.

Every option can also be set in a file, by its name without the dashes:
/etc/eventsvc/eventsvc.toml and its drop-ins in eventsvc.toml.d, or those of
/run, /usr/local/lib and /usr/lib; $XDG_CONFIG_HOME/eventsvc for users. The
command line wins. SIGHUP makes the service read the files again.`

const serveExample = `  eventsvc serve
  eventsvc serve --listen unix:/run/eventsvc/public,mode=0666,readonly --allow-read @wheel
  eventsvc serve --log-file /var/lib/eventsvc/events.log --log-max-size 100m
  eventsvc serve --check-config`

func (a *app) serveCommand() *cobra.Command {
	c, _ := a.serveCommandOf()
	return c
}

// serveCommandOf returns the command, and the values of its flags.
func (a *app) serveCommandOf() (*cobra.Command, *serveFlags) {
	f := new(serveFlags)
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Serve container events over Varlink and D-Bus",
		Long:    serveLong,
		Example: serveExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), f, c.Flags()) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.backend, "backend", config.Auto, "the store: `KIND` is auto (that of Podman), file, journald or none")
	flags.StringVar(&f.logFile, "log-file", "", "`PATH` of the log file (default Podman's)")
	flags.StringVar(&f.logMaxSize, "log-max-size", "", "size limit of eventsvc's own log: `SIZE` is in bytes, or ends in k, m or g\n"+
		"(powers of 1000); 0: none (default 64m)")
	flags.StringVar(&f.journalDirectory, "journal-directory", "", "read the journals in `DIR`, such as those that systemd-journal-remote\n"+
		"collects from many hosts (default the journal of this host)")
	flags.StringVar(&f.collected, "collected", notCollected, "the log file is written by 'eventsvc collect', and its lines name their host and\n"+
		"user: `KIND` is hosts (whose users are not users of this host), users (of this\n"+
		"host) or no; only with --log-file")
	flags.Lookup("collected").NoOptDefVal = collectedHosts
	flags.StringArrayVar(&f.listen, "listen", nil, "listen on `ADDRESS`, which is unix:PATH[,mode=0600][,readonly]; may be repeated")
	flags.StringVar(&f.dbus, "dbus", "", "the D-Bus to serve on: `BUS` is system, session, the address of a bus, or none;\n"+
		"with a leading - the service starts without the bus and connects later; starter is\n"+
		"the bus that started the service, which exits with it\n(default -system as root, else -session)")
	flags.StringArrayVar(&f.allowRead, "allow-read", nil, "`WHO` may read every event: USER or @GROUP, by name or number; may be repeated")
	flags.StringArrayVar(&f.allowWrite, "allow-write", nil, "`WHO` may write events: USER or @GROUP; may be repeated")
	f.limits.add(c, flags)
	flags.StringVar(&f.logLevel, "log-level", "info", "log messages of this `LEVEL` and above: debug, info, warn or error")
	flags.Var((*span)(&f.idleAfter), "exit-idle-time", "exit when nothing has needed the service for this `TIME`, such as 90s, 10m or\n"+
		"seconds; for a service that systemd starts on demand; 0: never (default)")
	flags.StringVar(&f.metrics, "metrics", "", "serve metrics to Prometheus, over HTTP: `ADDRESS` is unix:PATH[,mode=0600]\n"+
		"or 127.0.0.1:PORT; one that the network can reach must end in ,public. The\n"+
		"service then never exits when idle (default no metrics)")
	flags.String(configFlag, "", "read only this configuration `FILE`")
	flags.BoolVar(&f.check, checkFlag, false, "print what would be served, from where and why, and change nothing")
	complete(c, "log-level", anyOf(servicelog.Levels...), 0)
	complete(c, "metrics", anyOf("unix:", "127.0.0.1:"), cobra.ShellCompDirectiveNoSpace)
	complete(c, "exit-idle-time", anyOf("1m", "5m", "0"), 0)
	complete(c, "collected", anyOf(notCollected, collectedHosts, collectedUsers), 0)
	complete(c, "backend", anyOf(config.Auto, config.File, config.Journald, config.None), 0)
	complete(c, "log-max-size", anyOf("10m", "100m", "1g"), 0)
	complete(c, "listen", anyOf("unix:"), cobra.ShellCompDirectiveNoSpace)
	complete(c, "dbus", anyOf(dbus.SystemBus, dbus.SessionBus, dbus.StarterBus, noBus, "unix:path="), 0)
	complete(c, "allow-read", anyOf(), 0)
	complete(c, "allow-write", anyOf(), 0)
	return c, f
}

func (a *app) serve(ctx context.Context, f *serveFlags, flags *pflag.FlagSet) error {
	hangups := a.takeHangups()
	env := config.Host()
	set, err := readOptions(flags, env, flags.Lookup(configFlag).Value.String())
	if err != nil {
		return err
	}
	if f.check {
		return a.checkConfig(f, set, env)
	}
	p, err := f.plan(set, env)
	if err != nil {
		return err
	}
	inherited, err := daemon.Inherit()
	if err != nil {
		return err
	}
	c, err := f.config(p, inherited, set, env)
	if err != nil {
		inherited.Close()
		return err
	}
	c.LevelVar = new(slog.LevelVar)
	c.LevelVar.Set(p.settings.LogLevel)
	c.Logger = servicelog.New(program, a.stderr, c.LevelVar)
	c.Hangups = hangups
	r := &reloader{log: c.Logger, env: env, options: set, command: a.serveCommandOf}
	c.Reload = r.reload
	c.Started = func(listeners []*varlinkwire.Listener) { a.announce(p, set, listeners, c.Logger) }
	err = daemon.Run(ctx, *c)
	var option *daemon.OptionError
	if errors.As(err, &option) {
		return set.blame(option.Err, option.Option)
	}
	return err
}

// config returns the configuration of the service, with what the process was started
// with.
func (f *serveFlags) config(p plan, inherited *daemon.Inherited, set *options, env config.Environment) (c *daemon.Config, err error) {
	if inherited.IsForOne() {
		f.forOne(set)
	}
	if inherited.Address != "" {
		f.listen = append(f.listen, inherited.Address)
	}
	c = &daemon.Config{Store: p.store.Store, Settings: p.settings, Inherited: inherited, IdleAfter: f.idleAfter}
	if c.Listen, err = f.listenAddresses(); err != nil {
		return nil, set.blame(err, "listen")
	}
	if len(c.Listen) == 0 && !inherited.Any() {
		path, err := config.ListenPath(env)
		// A service that a session's bus has started serves that bus, even if the
		// normal socket belongs to another service of the user.
		c.ListenOptional = f.dbus == dbus.StarterBus
		switch {
		case err == nil:
			c.Listen = []varlinkwire.Address{{Path: path, MakeDir: true}}
		case !c.ListenOptional:
			return nil, errors.WithMessage(err, "cannot decide where to listen; name a socket with --listen unix:PATH")
		}
	}
	if f.metrics != "" {
		address, err := f.metricsAddress()
		if err != nil {
			return nil, set.blame(err, "metrics")
		}
		c.Metrics = &address
	}
	c.Bus, c.BusRequired = f.bus(env.UID)
	return c, nil
}

// plan is what the options ask for, however the service is started.
type plan struct {
	settings daemon.Settings
	store    *choice
	warnings []string
}

// storeFlags are the flags that choose the store.
var storeFlags = []string{"backend", "log-file", "log-max-size", "journal-directory", "collected"}

// plan evaluates the options. It changes nothing.
func (f *serveFlags) plan(set *options, env config.Environment) (p plan, err error) {
	if p.settings, err = f.settings(set); err != nil {
		return p, err
	}
	if bus, _ := f.bus(env.UID); bus != "" {
		if err := dbus.CheckBus(bus); err != nil {
			return p, set.blame(err, "dbus")
		}
	}
	if p.store, err = chooseStore(f, env); err == nil {
		err = p.store.supported()
	}
	if err != nil {
		return p, set.blame(err, storeFlags...)
	}
	if p.store.Sync, err = f.limits.durability(p.store); err != nil {
		return p, set.blame(err, "sync")
	}
	if p.store.Named {
		if err := logfile.CheckPath(p.store.Path); err != nil {
			p.warnings = append(p.warnings, err.Error())
		}
	}
	if p.store.Backend == events.Journald && p.store.Path == "" {
		if warning := config.JournalDrops(env); warning != "" {
			p.warnings = append(p.warnings, warning)
		}
	}
	return p, nil
}

// settingFlags are the flags that can be changed while the service runs.
var settingFlags = append([]string{"allow-read", "allow-write", "log-level"}, boundFlags...)

// settings returns the values of those flags, with the names of users and groups
// resolved.
func (f *serveFlags) settings(set *options) (s daemon.Settings, err error) {
	if s.Readers, err = access.ParseAllowed(f.allowRead); err != nil {
		return s, set.blame(err, "allow-read")
	}
	if s.Writers, err = access.ParseAllowed(f.allowWrite); err != nil {
		return s, set.blame(err, "allow-write")
	}
	if s.LogLevel, err = servicelog.ParseLevel(f.logLevel); err != nil {
		return s, set.blame(err, "log-level")
	}
	if s.Bounds, err = f.limits.bounds(); err != nil {
		return s, set.blame(err, boundFlags...)
	}
	return s, nil
}

// announce logs what is served, why, and where.
func (a *app) announce(p plan, set *options, listeners []*varlinkwire.Listener, log *slog.Logger) {
	var addresses []string
	for _, l := range listeners {
		addresses = append(addresses, l.Address())
	}
	if servicelog.IsJournal(a.stderr) {
		log.Info("starting", "version", version.Version, "serving", p.store.String(), "because", strings.Join(p.store.because, "; "),
			"files", strings.Join(set.files, " "), "options", strings.Join(set.describe(), "; "))
		for _, l := range listeners {
			log.Info("listening", "address", l.Address(), "name", l.Name())
		}
	} else {
		a.say("serving %s", p.store)
		for _, reason := range p.store.because {
			a.say("  %s", reason)
		}
		for _, line := range set.describe() {
			if !strings.HasSuffix(line, ": "+commandLine) {
				a.say("  %s", line)
			}
		}
		if len(addresses) > 0 {
			a.say("listening on %s", strings.Join(addresses, " and "))
		}
	}
	for _, warning := range p.warnings {
		log.Warn(warning)
	}
}
