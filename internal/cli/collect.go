package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/fleet"
)

const collectLong = `Collect events into one log, each once, with the host and the user that it is
from, for a service that serves them all:

  eventsvc serve --log-file FILE --collected

The source is the stream that 'eventsvc forward' fills. The end of the log is
where it goes on: the message there is compared with the stream's, so that a
stream which was put back or made again is noticed, and nothing is collected
twice. What the stream no longer holds is reported in the log by one event
system/events-lost.

Collectors of the same stream write the same lines, and so their services give
the same cursors.`

const collectExample = `  eventsvc collect --from nats://nats.example.com --log /var/lib/eventsvc-collect/events.log --log-max-size 10g`

// collectFlags are the flags of eventsvc collect.
type collectFlags struct {
	natsFlags
	from    []string
	log     string
	maxSize string
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
	flags.StringArrayVar(&f.from, "from", nil, "`SOURCE` is the URL of NATS: nats://HOST:PORT or tls://HOST:PORT")
	flags.StringVar(&f.log, "log", "", "`FILE` is the log to write")
	flags.StringVar(&f.maxSize, "log-max-size", "", "bound of the log: `SIZE` is in bytes, or ends in k, m or g (powers of 1000);\n"+
		"0: none (default 1g)")
	f.add(c)
	f.addService(c)
	complete(c, "from", anyOf("nats://", "tls://"), cobra.ShellCompDirectiveNoSpace)
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
		return errors.New("cannot collect: --from does not say from where; give it the URL of NATS, such as nats://localhost:4222")
	case len(f.from) > 1:
		return errors.New("cannot collect from several sources; give the servers of one cluster with commas between")
	case f.log == "":
		return errors.New("cannot collect: --log does not say where to; name a file")
	}
	if err := checkURL("from", f.from[0]); err != nil {
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
		fmt.Fprintf(a.stdout, "events of %s go to %s\n", f.from[0], path)
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
	f.server.URL = f.from[0]
	collector := fleet.NewCollector(file, log)
	run := func(ctx context.Context) error {
		return collector.Run(ctx, &fleet.FromStream{Server: f.server, Log: log})
	}
	var last uint64
	return a.runService(ctx, log, run, func(every time.Duration) string {
		n := collector.Counts()
		rate := float64(n.Events-last) / every.Seconds()
		last = n.Events
		return fmt.Sprintf("%d events collected, %.0f/s, %d behind, the newest %v after it was published; %d gaps, %d refused",
			n.Events, rate, n.Behind, n.Lag.Round(time.Millisecond), n.Gaps, n.Refused)
	})
}
