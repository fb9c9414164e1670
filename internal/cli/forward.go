package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/fleet"
	"github.com/eventsvc/eventsvc/internal/metrics"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/version"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// natsFlags are the flags of all commands that use NATS.
type natsFlags struct {
	server   fleet.Server
	logLevel string
	config   string
	metrics  string
	check    bool
}

// add adds the flags; url is the name of the flag for the address of NATS.
func (f *natsFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.server.Creds, "creds", "", "authenticate with this credentials `FILE`")
	flags.StringVar(&f.server.NKey, "nkey", "", "authenticate with the nkey seed in this `FILE`")
	flags.StringVar(&f.server.CA, "tls-ca", "", "verify the server's certificate by the CAs in `FILE` (default those of the system)")
	flags.StringVar(&f.server.Cert, "tls-cert", "", "client certificate `FILE`")
	flags.StringVar(&f.server.Key, "tls-key", "", "client key `FILE`")
}

// addService adds the flags of commands that run as a service.
func (f *natsFlags) addService(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.logLevel, "log-level", "info", "log messages of this `LEVEL` and above: debug, info, warn or error")
	flags.StringVar(&f.metrics, "metrics", "", "serve metrics to Prometheus, over HTTP: `ADDRESS` is unix:PATH[,mode=0600]\n"+
		"or IP:PORT of loopback (default no metrics)")
	flags.StringVar(&f.config, configFlag, "", "read options from this `FILE`, by their names without the dashes")
	flags.BoolVar(&f.check, checkFlag, false, "print what would be done, and do nothing")
	complete(c, "log-level", anyOf(servicelog.Levels...), 0)
}

// readConfig sets from the configuration file what the command line did not set, and
// prints the result if that was requested.
func (a *app) readConfig(f *natsFlags, flags *pflag.FlagSet) (log *slog.Logger, done bool, err error) {
	set := optionsOf(flags)
	if f.config != "" {
		if set, err = readOptions(flags, config.Host(), flags.Lookup(configFlag).Value.String()); err != nil {
			return nil, false, err
		}
	}
	level, err := servicelog.ParseLevel(f.logLevel)
	if err != nil {
		return nil, false, set.blame(err, "log-level")
	}
	if f.metrics != "" {
		if _, err := parseMetricsAddress(f.metrics); err != nil {
			return nil, false, set.blame(err, "metrics")
		}
	}
	if f.check {
		for _, line := range orNone(set.describe()) {
			fmt.Fprintln(a.stdout, visible.Text(line))
		}
	}
	return servicelog.New(program, a.stderr, level), f.check, nil
}

// warn prints what would prevent a connection now.
func (a *app) warn(server *fleet.Server) {
	if err := server.Obstacle(); err != nil {
		fmt.Fprintln(a.stdout, "warning:", visible.Text(err.Error()))
	}
}

// checkURL refuses an invalid address of NATS.
func checkURL(flag, url string) error {
	for one := range strings.SplitSeq(url, ",") {
		if !strings.HasPrefix(one, "nats://") && !strings.HasPrefix(one, "tls://") {
			return errors.Errorf("cannot use --%s %q: give nats://HOST:PORT or tls://HOST:PORT", flag, one)
		}
	}
	return nil
}

const forwardLong = `Publish the events of this host to NATS JetStream, exactly once and in order, for
'eventsvc collect' and any other consumer of the stream.

It reads from the local service the events of all users that it may read, and
keeps no state: the last message of this host in the stream says how far it is,
and the server refuses a message after any other. While NATS or the service is
unavailable, it waits. Nothing is lost while the log of this host holds it; a loss
is reported in the stream by one event system/events-lost.

The host is named by its machine ID, or by --host. Subjects are
containers.events.HOST.TYPE.STATUS in the stream EVENTS, and
containers.hosts.HOST in the stream HOSTS; each message is a CloudEvent.`

const forwardExample = `  eventsvc forward --to nats://nats.example.com --create
  eventsvc forward --to tls://nats.example.com --creds /etc/eventsvc/h7.creds --filter type=container`

// forwardFlags are the flags of eventsvc forward.
type forwardFlags struct {
	natsFlags
	forwarder fleet.Forwarder
}

func (a *app) forwardCommand() *cobra.Command {
	var f forwardFlags
	c := &cobra.Command{
		Use:     "forward --to URL",
		Short:   "Publish the events of this host to NATS JetStream",
		Long:    forwardLong,
		Example: forwardExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.forward(c.Context(), &f, c.Flags()) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.server.URL, "to", "", "`URL` of NATS: nats://HOST:PORT or tls://HOST:PORT; several with commas between")
	flags.StringVar(&f.forwarder.Host, "host", "", "`NAME` of this host: letters, digits, '-' and '_' (default its machine ID)")
	flags.StringArrayVarP(&f.forwarder.Filters, "filter", "f", nil, "forward only events that match `FILTER`, KEY=VALUE; may be repeated")
	f.add(c)
	flags.BoolVar(&f.forwarder.Create, "create", false, "create the streams if they do not exist")
	flags.IntVar(&f.forwarder.Replicas, "replicas", 1, "with --create: keep the streams on this `NUMBER` of servers")
	flags.Var((*span)(&f.forwarder.MaxAge), "max-age", "with --create: remove events from the stream after this `TIME`; 0: never (default)")
	addressFlag(c, &f.forwarder.Address)
	f.addService(c)
	completeFilters(c)
	return c
}

func (a *app) forward(ctx context.Context, f *forwardFlags, flags *pflag.FlagSet) error {
	log, done, err := a.readConfig(&f.natsFlags, flags)
	if err != nil {
		return err
	}
	if f.server.URL == "" {
		return errors.New("cannot forward without --to; give the URL of NATS, such as nats://localhost:4222")
	}
	if err := checkURL("to", f.server.URL); err != nil {
		return err
	}
	if _, err := events.ParseFilters(f.forwarder.Filters); err != nil {
		return err
	}
	if f.forwarder.Replicas < 1 {
		return errors.Errorf("cannot use --replicas %d: a stream is kept on one server at least", f.forwarder.Replicas)
	}
	c, err := client.New(f.forwarder.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.forwarder.Host == "" {
		if f.forwarder.Host, err = fleet.MachineID(); err != nil {
			return err
		}
	}
	if err := fleet.CheckHost(f.forwarder.Host); err != nil {
		return err
	}
	if done {
		fmt.Fprintf(a.stdout, "events of %s go to %s as host %s\n", c.Address(), &f.server, f.forwarder.Host)
		a.warn(&f.server)
		return nil
	}
	f.forwarder.Server, f.forwarder.Log = f.server, log
	var last fleet.Presence
	progress := func(every time.Duration) string {
		p := f.forwarder.Presence()
		rate := float64(p.Sent-last.Sent) / every.Seconds()
		last = p
		state := "catching up"
		if !p.EventTime.IsZero() {
			state += ", at " + p.EventTime.Format(time.RFC3339)
		}
		switch {
		case p.Fault != "":
			state = "waiting: " + p.Fault
		case p.CaughtUp:
			state = "caught up"
		}
		return fmt.Sprintf("%d events forwarded, %.0f/s, %v behind, %s; %d checkpoints read again, %d gaps",
			p.Sent, rate, p.Late(time.Now()).Round(time.Millisecond), visible.Text(state), p.Checkpoints, p.Gaps)
	}
	return a.runService(ctx, log, &f.natsFlags, f.forwarder.Run, progress, func() []metrics.Number {
		p := f.forwarder.Presence()
		return []metrics.Number{
			{Name: "forward_events_total", Help: "Events published.", Counter: true, Value: float64(p.Sent)},
			{Name: "forward_waiting_events", Help: "Events read from the service and not in the stream yet; more may wait in its log.", Value: float64(p.Waiting)},
			{Name: "forward_lag_seconds", Help: "For how long there may have been events that are not in the stream; 0: there are none.", Value: p.Late(time.Now()).Seconds()},
			{Name: "forward_checkpoints_total", Help: "Times that the checkpoint was read again, after an error.", Counter: true, Value: float64(p.Checkpoints)},
			{Name: "forward_gaps_total", Help: "Gaps in the log of this host that were reported in the stream.", Counter: true, Value: float64(p.Gaps)},
			{Name: "forward_fault", Help: "1 while something keeps events from being forwarded, else 0.", Value: isThere(p.Fault)},
		}
	})
}

// isThere returns 1 if there is a fault.
func isThere(fault string) float64 {
	if fault == "" {
		return 0
	}
	return 1
}

// The intervals between reports of progress, on a terminal and to systemd.
const (
	progressEvery = time.Second
	statusEvery   = 10 * time.Second
)

// runService runs until the context ends, and reports progress: to systemd, on a
// terminal in one line that is overwritten, and as metrics.
func (a *app) runService(ctx context.Context, log *slog.Logger, f *natsFlags, run func(context.Context) error,
	progress func(every time.Duration) string, numbers func() []metrics.Number,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	if f.metrics != "" {
		address, err := parseMetricsAddress(f.metrics)
		if err != nil {
			return err
		}
		shown, err := metrics.NewPlain(version.Version, numbers)
		if err != nil {
			return err
		}
		go func() {
			if err := address.Serve(ctx, shown); err != nil {
				ended <- err
			}
		}()
	}
	go func() { ended <- run(ctx) }()
	daemon.Notify(log, systemd.SdNotifyReady)
	every, onTerminal := statusEvery, isTerminal(a.stderr)
	if onTerminal {
		every = progressEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			daemon.Notify(log, systemd.SdNotifyStopping)
			if onTerminal {
				fmt.Fprintln(a.stderr)
			}
			log.Info("stopped", "after", progress(every))
			return err
		case <-ticker.C:
			text := progress(every)
			daemon.Notify(log, "STATUS="+text)
			if onTerminal {
				fmt.Fprintf(a.stderr, "\r\x1b[K%s", text)
			}
		}
	}
}
