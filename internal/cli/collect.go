package cli

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/internal/fleet"
	"github.com/eventsvc/eventsvc/internal/metrics"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/journald"
	"github.com/eventsvc/eventsvc/internal/visible"
)

const collectLong = `Collect events into one log, each exactly once, with the host and the user that it
is from, so that one service can serve them all:

  eventsvc serve --log-file FILE --collected

A source is the URL of NATS, for the stream that 'eventsvc forward' fills; users,
for every user of this host, whichever store each uses; or the address of another
service, preceded by the name of its host unless that is this one. Collecting
continues where the log ends. The end of the log is compared with the source, so
that a source that was restored from a backup, rotated or recreated is noticed,
and nothing is collected twice. If a source no longer holds some events, the log
says so by one event system/events-lost.

--from users needs root. The log file of each user, at Podman's default path and
where the user's containers.conf says, is opened with that user's rights and
through no symbolic link; users whose Podman logs to the journal are read from
there. The user of an event is the owner of the log, or the user that journald has
recorded.

Collectors of the same stream write the same lines, so their services give the
same cursors.`

const collectExample = `  eventsvc collect --from nats://nats.example.com --log /var/lib/eventsvc-collect/events.log --log-max-size 10g
  eventsvc collect --from users --log /var/lib/eventsvc-users/events.log
  eventsvc collect --from unix:/run/eventsvc/io.podman.events --from h7=ssh-exec:h7 --log events.log`

// fromUsers is the source that is not an address.
const fromUsers = "users"

// collectFlags are the flags of eventsvc collect.
type collectFlags struct {
	natsFlags
	from             []string
	log              string
	maxSize          string
	journalDirectory string
}

func (a *app) collectCommand() *cobra.Command {
	var f collectFlags
	c := &cobra.Command{
		Use:     "collect --from SOURCE --log FILE",
		Short:   "Collect events of many hosts into one log",
		Long:    collectLong,
		Example: collectExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.collect(c.Context(), &f, c.Flags()) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.from, "from", nil, "`SOURCE` is the URL of NATS, nats://HOST:PORT or tls://HOST:PORT;\nusers: all users of this host; or [HOST=]unix:PATH, HOST=ssh-exec:HOST: another\nservice; may be repeated")
	flags.StringVar(&f.log, "log", "", "`FILE` is the log to write")
	flags.StringVar(&f.maxSize, "log-max-size", "", "size limit of the log: `SIZE` is in bytes, or ends in k, m or g (powers of 1000);\n"+
		"0: none (default 1g)")
	flags.StringVar(&f.journalDirectory, "journal-directory", "", "with users: read the journals in this `DIR` (default the journal of this host)")
	f.add(c)
	f.addService(c)
	complete(c, "from", anyOf("nats://", "tls://", "unix:", fromUsers), cobra.ShellCompDirectiveNoSpace)
	complete(c, "log-max-size", anyOf("1g", "10g"), 0)
	return c
}

// defaultCollectedSize bounds a collected log, in bytes.
const defaultCollectedSize = 1e9

func (a *app) collect(ctx context.Context, f *collectFlags, flags *pflag.FlagSet) (err error) {
	log, done, err := a.readConfig(&f.natsFlags, flags)
	if err != nil {
		return err
	}
	switch {
	case len(f.from) == 0:
		return errors.New("cannot collect without --from; give the URL of NATS, such as nats://localhost:4222, or users")
	case f.log == "":
		return errors.New("cannot collect without --log; name a file")
	}
	sources, err := f.sources(log)
	if err != nil {
		return err
	}
	most := int64(defaultCollectedSize)
	if f.maxSize != "" {
		if most, err = parseSize(f.maxSize); err != nil {
			return err
		}
	}
	path, err := filepath.Abs(f.log)
	if err != nil {
		return errors.Wrap(err, "cannot use --log")
	}
	if done {
		for i, from := range f.from {
			f.from[i] = (&fleet.Server{URL: from}).String()
		}
		fmt.Fprintf(a.stdout, "events of %s go to %s\n", strings.Join(f.from, " and "), path)
		a.warn(&f.server)
		return nil
	}
	file, err := fleet.OpenLog(path, most)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	collector := fleet.NewCollector(file, log)
	run := func(ctx context.Context) error {
		return collector.Run(ctx, sources...)
	}
	var last uint64
	progress := func(every time.Duration) string {
		n := collector.Counts()
		rate := float64(n.Events-last) / every.Seconds()
		last = n.Events
		text := fmt.Sprintf("%d events collected, %.0f/s, %d and %v behind, the newest came after %v; %d gaps, %d refused",
			n.Events, rate, n.Behind, n.Late(time.Now()).Round(time.Millisecond), n.Lag.Round(time.Millisecond), n.Gaps, n.Refused)
		if n.Fault != "" {
			text += "; waiting: " + visible.Text(n.Fault)
		}
		return text
	}
	return a.runService(ctx, log, &f.natsFlags, run, progress, func() []metrics.Number {
		n := collector.Counts()
		return []metrics.Number{
			{Name: "collect_events_total", Help: "Events collected.", Counter: true, Value: float64(n.Events)},
			{Name: "collect_waiting_events", Help: "Messages that the stream held after the last collected one.", Value: float64(n.Behind)},
			{Name: "collect_lag_seconds", Help: "Age of the last collected event if there are more or if it is not known; else 0.", Value: n.Late(time.Now()).Seconds()},
			{Name: "collect_proofs_total", Help: "Times that the place in the stream was proved.", Counter: true, Value: float64(n.Proofs)},
			{Name: "collect_gaps_total", Help: "Gaps of sources that were reported in the log.", Counter: true, Value: float64(n.Gaps)},
			{Name: "collect_refused_total", Help: "Messages and lines that are no events and were left out.", Counter: true, Value: float64(n.Refused)},
			{Name: "collect_fault", Help: "1 while something keeps a source from being collected, else 0.", Value: isThere(n.Fault)},
		}
	})
}

// sources returns the sources named by --from.
func (f *collectFlags) sources(log *slog.Logger) ([]fleet.Source, error) {
	var sources []fleet.Source
	for i, from := range f.from {
		if slices.Contains(f.from[:i], from) {
			return nil, errors.Errorf("cannot collect from %s twice; leave one of them out", from)
		}
		if from == fromUsers {
			sources = append(sources, &fleet.FromUsers{Log: log})
			if err := journald.Supported(); err != nil {
				log.Warn("events of users whose Podman writes to the journal are not collected", "error", err)
				continue
			}
			sources = append(sources, &fleet.FromJournal{Log: log, Open: func() (store.Store, error) {
				return journald.Open(journald.Options{Directory: f.journalDirectory})
			}})
			continue
		}
		if service, is, err := serviceOf(from); is || err != nil {
			if err != nil {
				return nil, err
			}
			service.Log = log
			sources = append(sources, service)
			continue
		}
		if checkURL("from", from) != nil {
			return nil, errors.Errorf("cannot use --from %q: give users, nats://HOST:PORT, tls://HOST:PORT or [HOST=]unix:PATH", from)
		}
		if f.server.URL != "" {
			return nil, errors.New("cannot collect from two NATS clusters; give the servers of one cluster, separated by commas")
		}
		f.server.URL = from
		sources = append(sources, &fleet.FromStream{Server: f.server, Log: log})
	}
	if f.journalDirectory != "" && !slices.Contains(f.from, fromUsers) {
		return nil, errors.New("cannot use --journal-directory without --from users: it says which journals the users' are; leave it out")
	}
	return sources, nil
}

// serviceOf returns the service that a source names; is reports whether it names one.
func serviceOf(from string) (service *fleet.FromService, is bool, err error) {
	host, address, named := strings.Cut(from, "=")
	if !named || strings.ContainsAny(host, ":/") { // the '=' is part of a path
		host, address = "", from
	}
	scheme, _, _ := strings.Cut(address, ":")
	if scheme != "unix" && scheme != "ssh-exec" {
		return nil, false, nil
	}
	if host == "" && scheme != "unix" {
		return nil, false, errors.Errorf("cannot use --from %q: it does not name the host; give HOST=%s", from, address)
	}
	if host != "" {
		if err := fleet.CheckHost(host); err != nil {
			return nil, false, err
		}
	}
	c, err := client.New(address)
	if err != nil {
		return nil, false, err
	}
	c.Close()
	return &fleet.FromService{Address: address, Host: host}, true, nil
}
