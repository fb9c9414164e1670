package cli

import (
	"strconv"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// limitFlags are the bounds of package limits that an administrator may want to change,
// and the durability of events.
type limitFlags struct {
	sync              string
	connections       int
	connectionsPerUID int
	writeTimeout      time.Duration
	requestSize       string
}

// add adds the flags to those of eventsvc serve.
func (l *limitFlags) add(c *cobra.Command, flags *pflag.FlagSet) {
	flags.StringVar(&l.sync, "sync", logfile.SyncNever.String(), "when an event that is written here is safe from a power failure: `WHEN` is always\n"+
		"(before it is acknowledged), interval (within a second) or never (left to the\nkernel, as with Podman)")
	flags.IntVar(&l.connections, "max-connections", limits.Connections, "at most `N` connections at a time, some of them reserved for root")
	flags.IntVar(&l.connectionsPerUID, "max-connections-per-uid", limits.ConnectionsPerUID, "at most `N` of them for one user, except root and the service's user")
	flags.DurationVar(&l.writeTimeout, "write-timeout", limits.WriteTimeout, "drop a client that has read nothing for this `TIME`")
	flags.StringVar(&l.requestSize, "max-request-size", "", "largest Varlink request: `SIZE` is in bytes, or ends in k or m (default "+
		strconv.Itoa(limits.Request)+")")
	complete(c, "sync", anyOf("always", "interval", "never"), 0)
	complete(c, "max-connections", anyOf(), 0)
	complete(c, "max-connections-per-uid", anyOf(), 0)
	complete(c, "write-timeout", anyOf("30s", "5m", "1h"), 0)
	complete(c, "max-request-size", anyOf("256k", "1m", "4m"), 0)
}

// boundFlags are the flags of the bounds that can be changed while the service runs.
var boundFlags = []string{"max-connections", "max-connections-per-uid", "write-timeout", "max-request-size"}

// The lowest values of the bounds. With less, the service would be unusable, or could
// not be distinguished from one that hangs.
const (
	leastConnections  = 2
	leastWriteTimeout = time.Second
	leastRequest      = 4 << 10
	mostRequest       = limits.RequestMemoryPerUID
)

// bounds checks the flags.
func (l *limitFlags) bounds() (b varlinkwire.Bounds, err error) {
	switch {
	case l.connections < leastConnections:
		return b, errors.Errorf("cannot use --max-connections %d: must be at least %d", l.connections, leastConnections)
	case l.connectionsPerUID < 1:
		return b, errors.Errorf("cannot use --max-connections-per-uid %d: must be at least 1; "+
			"to keep others out, leave the mode of the socket at 0600", l.connectionsPerUID)
	case l.writeTimeout < leastWriteTimeout:
		return b, errors.Errorf("cannot use --write-timeout %s: must be at least %s", l.writeTimeout, leastWriteTimeout)
	}
	b = varlinkwire.Bounds{
		Connections: l.connections, ConnectionsPerUID: l.connectionsPerUID, WriteTimeout: l.writeTimeout, RequestSize: limits.Request,
	}
	if l.requestSize != "" {
		b.RequestSize, err = parseRequestSize(l.requestSize)
	}
	return b, err
}

func parseRequestSize(text string) (int, error) {
	n, ok := parseBytes(text)
	switch {
	case !ok:
		return 0, errors.Errorf("cannot understand --max-request-size %q: give a number of bytes, or one that ends in k or m", text)
	case n < leastRequest || n > mostRequest:
		return 0, errors.Errorf("cannot use --max-request-size %s: must be between %d and %d bytes", text, leastRequest, mostRequest)
	}
	return int(n), nil
}

// durability returns the durability of events in the chosen store.
func (l *limitFlags) durability(c *choice) (logfile.Sync, error) {
	mode, err := logfile.ParseSync(l.sync)
	switch {
	case err != nil:
		return mode, errors.WithMessage(err, "cannot use --sync")
	case mode != logfile.SyncNever && !c.IsFile():
		return mode, errors.Errorf("cannot use --sync %s: it applies only to a log file, and the backend is %s; leave it out", mode, c.Backend)
	}
	return mode, nil
}
