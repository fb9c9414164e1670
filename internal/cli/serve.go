package cli

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/dbus"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/config"
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
	collected        bool

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

// What --dbus calls no bus, and what is put before one that need not be
// there, as in the units of systemd.
const (
	noBus       = "none"
	optionalBus = "-"
)

// bus returns the bus to serve on, "" for none, and whether it has to be there.
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
(io.podman.Events1), until it is told to stop. Old podman-remote clients (1.x)
are served on the same sockets (io.podman).

It reads and writes the store that the host's Podman uses, as containers.conf
and Podman's defaults say; on a host without Podman, a log file of its own. On
start it says which one and why.

It listens on /run/eventsvc/io.podman.events as root, and as another user on
$XDG_RUNTIME_DIR/eventsvc/io.podman.events, unless --listen names other places.
Started by systemd with sockets it serves those; connected to one client, as by
'varlinkctl exec:', it serves that client and ends.

Root and the user of the service may read everything and write. Another user
who can connect reads the events of its own uid, unless it is allowed more.

Every option can be set in a file, too, by its name without the dashes:
/etc/eventsvc/eventsvc.toml and its drop-ins in eventsvc.toml.d, or those of
/run, /usr/local/lib and /usr/lib; $XDG_CONFIG_HOME/eventsvc for users. The
command line wins. SIGHUP reads them again.`

const serveExample = `  eventsvc serve
  eventsvc serve --listen unix:/run/eventsvc/public,mode=0666,readonly --allow-read @wheel
  eventsvc serve --log-file /var/lib/eventsvc/events.log --log-max-size 100m
  eventsvc serve --check-config`

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Serve container events over Varlink and D-Bus",
		Long:    serveLong,
		Example: serveExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), &f, c.Flags()) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.backend, "backend", config.Auto, "the store: `KIND` is auto (that of Podman), file, journald or none")
	flags.StringVar(&f.logFile, "log-file", "", "`PATH` of the log file (default that of Podman)")
	flags.StringVar(&f.logMaxSize, "log-max-size", "", "bound of a log of eventsvc's own: `SIZE` is in bytes, or has k, m or g behind\n"+
		"(powers of 1000); 0: none (default 64m)")
	flags.StringVar(&f.journalDirectory, "journal-directory", "", "read the journals in `DIR`, as systemd-journal-remote makes them of\n"+
		"many hosts (default the journal of this host)")
	flags.BoolVar(&f.collected, "collected", false, "the log file is that of 'eventsvc collect': each line names its host and user\n"+
		"(with --log-file alone)")
	flags.StringArrayVar(&f.listen, "listen", nil, "where to listen: `ADDRESS` is unix:PATH[,mode=0600][,readonly]; may be given again")
	flags.StringVar(&f.dbus, "dbus", "", "the D-Bus to serve on: `BUS` is system, session, the address of a bus, or none;\n"+
		"with a - in front one that is not there is waited for; starter is the bus that\n"+
		"started the service, which ends with it (default -system as root, else -session)")
	flags.StringArrayVar(&f.allowRead, "allow-read", nil, "`WHO` may read every event: USER or @GROUP, by name or number; may be given again")
	flags.StringArrayVar(&f.allowWrite, "allow-write", nil, "`WHO` may write events: USER or @GROUP; may be given again")
	f.limits.add(c, flags)
	flags.StringVar(&f.logLevel, "log-level", "info", "`LEVEL` is debug, info, warn or error: what is logged")
	flags.Var((*span)(&f.idleAfter), "exit-idle-time", "end when nothing has needed the service for this `TIME`, such as 90s, 10m or\n"+
		"seconds; for a service that systemd starts on demand; 0: never (default)")
	flags.StringVar(&f.metrics, "metrics", "", "where to show metrics to Prometheus, over HTTP: `ADDRESS` is unix:PATH[,mode=0600]\n"+
		"or 127.0.0.1:PORT; one that the network can reach needs ,public behind it. The\n"+
		"service then stays, whatever --exit-idle-time (default nowhere)")
	flags.String(configFlag, "", "read this configuration `FILE` alone")
	flags.BoolVar(&f.check, checkFlag, false, "print what would be served, from where and why, and touch nothing")
	complete(c, "log-level", anyOf(logLevels...), 0)
	complete(c, "metrics", anyOf("unix:", "127.0.0.1:"), cobra.ShellCompDirectiveNoSpace)
	complete(c, "exit-idle-time", anyOf("1m", "5m", "0"), 0)
	complete(c, "backend", anyOf(config.Auto, config.File, config.Journald, config.None), 0)
	complete(c, "log-max-size", anyOf("10m", "100m", "1g"), 0)
	complete(c, "listen", anyOf("unix:"), cobra.ShellCompDirectiveNoSpace)
	complete(c, "dbus", anyOf(dbus.SystemBus, dbus.SessionBus, dbus.StarterBus, noBus, "unix:path="), 0)
	complete(c, "allow-read", anyOf(), 0)
	complete(c, "allow-write", anyOf(), 0)
	return c
}

func (a *app) serve(ctx context.Context, f *serveFlags, flags *pflag.FlagSet) (err error) {
	hangups := a.takeHangups()
	env := config.Host()
	set, err := readOptions(flags, env)
	if err != nil {
		return err
	}
	if f.check {
		return a.checkConfig(f, set, env)
	}
	leaveRoomForFollower()
	p, err := f.plan(set, env)
	if err != nil {
		return err
	}
	given, err := takeGiven()
	if err != nil {
		return err
	}
	if given.isForOne() {
		f.forOne(set)
	}
	if given.asked != "" {
		f.listen = append(f.listen, given.asked)
	}
	addresses, err := f.listenAddresses()
	if err != nil {
		given.Close()
		return set.blame(err, "listen")
	}
	listeners, err := openListeners(addresses, given.Activated, env)
	leftOut := f.optionalSocket(err)
	if err != nil && leftOut == nil {
		given.Close()
		return set.blame(err, "listen")
	}
	shown, err := f.listenForMetrics()
	if err != nil {
		closeListeners(listeners)
		given.Close()
		return set.blame(err, "metrics")
	}
	level := new(slog.LevelVar)
	level.Set(p.level)
	log := newLog(a.stderr, level)
	served := faces{readers: p.readers, writers: p.writers, bounds: p.bounds, untilIdle: isBridged(given.Activated), idleAfter: f.idleAfter, metrics: shown != nil}
	forHost := given.isForHost(listeners)
	if !forHost {
		served.idleAfter = 0 // it ends with its client
	}
	served.bus, served.busRequired = f.bus(env.UID)
	if forSome := !forHost || served.untilIdle; forSome && !served.busRequired {
		served.bus = ""
	}
	r := &reloader{
		log: log, level: level, env: env, systemd: manager{log}, options: set,
		fresh: func() *pflag.FlagSet { return a.serveCommand().Flags() },
	}
	served.systemd = r
	d, err := newDaemon(p.store, served, log)
	if err != nil {
		closeListeners(listeners)
		given.Close()
		if shown != nil {
			_ = shown.Close()
		}
		return err
	}
	defer func() {
		d.stopping.Do(func() { d.systemd.tell(systemd.SdNotifyStopping) })
		if stopped := d.stop(); err == nil {
			err = stopped
		}
		if forHost {
			log.Info("stopped", "cause", whyStopped(ctx, err))
		}
	}()
	r.status, r.live = d.status, []liveOption{levelOption(level), accessOption(d.policy), boundsOption(d)}
	if forHost {
		a.announce(p, set, listeners, log)
	}
	if leftOut != nil {
		log.Warn("serving the bus alone, without a socket for Varlink", "error", leftOut)
	}
	for _, name := range given.UnknownNames() {
		log.Warn("unknown FileDescriptorName=: the socket is served as the usual one; "+
			"FileDescriptorName= may be varlink, legacy or readonly", "name", name)
	}
	return d.live(ctx, listeners, given, &duties{reloader: r, hangups: hangups, metrics: shown})
}

// optionalSocket returns why the usual socket cannot be had, if the service does
// without: one that a bus has started for its session serves that, also where the
// socket is that of another service of the user.
func (f *serveFlags) optionalSocket(err error) error {
	if f.dbus == dbus.StarterBus && len(f.listen) == 0 {
		return err
	}
	return nil
}

// plan is what the options ask for.
type plan struct {
	readers, writers access.Allowed
	level            slog.Level
	store            *choice
	bounds           bounds
	warnings         []string
}

// storeFlags are the flags that choose the store.
var storeFlags = []string{"backend", "log-file", "log-max-size", "journal-directory", "collected"}

// plan understands the options. It touches nothing.
func (f *serveFlags) plan(set *options, env config.Environment) (p plan, err error) {
	if p.readers, err = access.ParseAllowed(f.allowRead); err != nil {
		return p, set.blame(err, "allow-read")
	}
	if p.writers, err = access.ParseAllowed(f.allowWrite); err != nil {
		return p, set.blame(err, "allow-write")
	}
	if p.level, err = parseLogLevel(f.logLevel); err != nil {
		return p, set.blame(err, "log-level")
	}
	if p.store, err = chooseStore(f, env); err != nil {
		return p, set.blame(err, storeFlags...)
	}
	if err = p.store.supported(); err != nil {
		return p, set.blame(err, storeFlags...)
	}
	if p.store.sync, err = f.limits.durability(p.store); err != nil {
		return p, set.blame(err, "sync")
	}
	if p.bounds, err = f.limits.bounds(); err != nil {
		return p, set.blame(err, boundFlags...)
	}
	if p.store.named {
		if err := logfile.MissingDirectory(p.store.path); err != nil {
			p.warnings = append(p.warnings, err.Error())
		}
	}
	if p.store.backend == events.Journald && p.store.path == "" {
		if warning := config.JournalDrops(env); warning != "" {
			p.warnings = append(p.warnings, warning)
		}
	}
	return p, nil
}

// spareProcs is how many more threads may run Go code than the machine has
// processors.
const spareProcs = 4

// leaveRoomForFollower lets the kernel, not the scheduler of Go, decide who
// runs when there is more to do than there are processors: the thread that
// notes a new generation of the log then never waits for one that serves
// clients. With as many threads as processors, followers of a log that is
// rotated hundreds of times a second lose its track.
func leaveRoomForFollower() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + spareProcs)
	}
}

// isBridged reports whether a Varlink tool started the service for its own use
// alone ("varlink -A 'eventsvc serve' bridge"): unlike systemd it says in
// VARLINK_ADDRESS where the socket is that it gives. Such a service ends with
// its last client.
func isBridged(given *varlinkwire.Activated) bool {
	return len(given.Listeners) > 0 && os.Getenv("VARLINK_ADDRESS") != ""
}

// openListeners returns the sockets to accept connections on: those that
// systemd gave, those that were asked for, or else the usual one. A service
// that was connected to its client needs none.
func openListeners(addresses []varlinkwire.Address, given *varlinkwire.Activated, env config.Environment) ([]*varlinkwire.Listener, error) {
	listeners := given.Listeners
	if len(addresses) == 0 && !given.Any() {
		path, err := config.ListenPath(env)
		if err != nil {
			return nil, errors.WithMessage(err, "cannot decide where to listen; name a socket with --listen unix:PATH")
		}
		usual := varlinkwire.Address{Path: path, MakeDir: true}
		l, err := usual.Listen()
		if err != nil {
			return nil, err
		}
		return []*varlinkwire.Listener{l}, nil
	}
	for i, address := range addresses {
		l, err := address.Listen()
		if err != nil {
			closeListeners(listeners[len(listeners)-i:])
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeListeners(listeners []*varlinkwire.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// announce says what is served, why, and where.
func (a *app) announce(p plan, set *options, listeners []*varlinkwire.Listener, log *slog.Logger) {
	var addresses []string
	for _, l := range listeners {
		addresses = append(addresses, l.Address())
	}
	if isJournal(a.stderr) {
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
