package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// writeFlags are the flags of eventsvc write.
type writeFlags struct {
	kind, status string
	event        events.Event
	exitCode     int
	hasExitCode  bool
	time         string
	attributes   []string
	healthStreak int
	address      string
}

const writeLong = `Write an event to the store of the service, where every reader of the host's
events finds it, including Podman's own. Allowed are root, the user of the
service, and those named by 'eventsvc serve --allow-write'.

It prints the cursor of the event once the event is stored.`

const writeExample = `  eventsvc write --type volume --status create --name data
  eventsvc write --type container --status died --name web --exit-code 0 --attribute app=shop`

func (a *app) writeCommand() *cobra.Command {
	var f writeFlags
	c := &cobra.Command{
		Use:     "write --type TYPE --status STATUS",
		Short:   "Write an event and print its cursor",
		Long:    writeLong,
		Example: writeExample,
		Args:    noWords,
		RunE: func(c *cobra.Command, _ []string) error {
			f.hasExitCode = c.Flags().Changed("exit-code")
			return a.write(c.Context(), &f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.kind, "type", "", "kind of object: `TYPE` is one of\n"+strings.Join(words(events.Types()), ", "))
	flags.StringVar(&f.status, "status", "", "what happened: `STATUS` is create, start, died, remove, or the like")
	flags.StringVar(&f.event.ID, "id", "", "full `ID` of the object")
	flags.StringVar(&f.event.Name, "name", "", "`NAME` of the object")
	flags.StringVar(&f.event.Image, "image", "", "`IMAGE` of the container")
	flags.StringVar(&f.event.PodID, "pod-id", "", "`ID` of the pod that the container belongs to")
	flags.StringVar(&f.event.Network, "network", "", "`NAME` of the network")
	flags.IntVar(&f.exitCode, "exit-code", 0, "exit `CODE` of the container, -1 if it is not known (default none)")
	flags.StringVar(&f.time, "time", "", "`TIME` when it happened, RFC 3339 (default now)")
	flags.StringVar(&f.event.Error, "error", "", "`TEXT` of the error, for pull-error")
	flags.StringVar(&f.event.HealthStatus, "health-status", "", "`VERDICT` of a health check: starting, healthy or unhealthy")
	flags.StringVar(&f.event.HealthLog, "health-log", "", "output `TEXT` of the health check")
	flags.IntVar(&f.healthStreak, "health-failing-streak", 0, "`COUNT` of consecutive failed health checks")
	flags.StringArrayVar(&f.attributes, "attribute", nil, "a label or further attribute, `KEY=VALUE`; may be repeated")
	addressFlag(c, &f.address)
	complete(c, "type", anyOf(words(events.Types())...), 0)
	complete(c, "status", anyOf(words(events.Statuses())...), 0)
	complete(c, "health-status", anyOf("starting", "healthy", "unhealthy"), 0)
	for _, free := range []string{
		"id", "name", "image", "pod-id", "network", "exit-code", "time", "error", "health-log", "health-failing-streak", "attribute",
	} {
		complete(c, free, anyOf(), 0)
	}
	return c
}

func (a *app) write(ctx context.Context, f *writeFlags) error {
	e, err := f.read()
	if err != nil {
		return err
	}
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	cursor, err := c.WriteEvent(ctx, e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, visible.Text(cursor))
	return err
}

// read makes an event from the flags.
func (f *writeFlags) read() (events.Event, error) {
	e := f.event
	for _, needed := range []struct{ flag, value string }{{"type", f.kind}, {"status", f.status}} {
		if needed.value == "" {
			return e, errors.Errorf("cannot write an event without --%s; see 'eventsvc write --help'", needed.flag)
		}
	}
	var err error
	if e.Type, err = events.StringToType(f.kind); err != nil {
		return e, errors.WithMessage(err, "cannot write the event")
	}
	if e.Status, err = events.StringToStatus(f.status); err != nil {
		return e, errors.WithMessage(err, "cannot write the event")
	}
	if f.time != "" {
		if e.Time, err = events.ParseTimeIn(events.Written, f.time, time.Now(), time.Local); err != nil {
			return e, err
		}
	}
	if f.hasExitCode {
		e.ContainerExitCode = &f.exitCode
	}
	e.HealthFailingStreak = f.healthStreak
	for _, attribute := range f.attributes {
		key, value, found := strings.Cut(attribute, "=")
		if !found || key == "" {
			return e, errors.Errorf("cannot understand --attribute %q: give KEY=VALUE", attribute)
		}
		if e.Attributes == nil {
			e.Attributes = make(map[string]string)
		}
		e.Attributes[key] = value
	}
	return e, nil
}
