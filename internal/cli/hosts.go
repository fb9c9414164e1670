package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/fleet"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/visible"
)

const hostsLong = `List the hosts that forward their events: when each was last seen, its newest event
in the stream, and whether it is ok, behind (it has events that are not in the
stream yet), fault (something keeps it from forwarding; --format json says what) or
gone (no sign of it for 11 minutes, by the server's clock). SENT and GAPS count
from the start of its forwarder.`

func (a *app) hostsCommand() *cobra.Command {
	var f natsFlags
	format := ""
	c := &cobra.Command{
		Use:     "hosts --from URL",
		Short:   "List the hosts that forward their events",
		Long:    hostsLong,
		Example: "  eventsvc hosts --from nats://nats.example.com",
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.hosts(c.Context(), &f, format) },
	}
	c.Flags().StringVar(&f.server.URL, "from", "", "`URL` of NATS: nats://HOST:PORT or tls://HOST:PORT; several with commas between")
	c.Flags().StringVar(&format, "format", "table", "`FORMAT` is table or json, one object a line")
	f.add(c)
	complete(c, "format", anyOf("table", "json"), 0)
	return c
}

func (a *app) hosts(ctx context.Context, f *natsFlags, format string) error {
	if f.server.URL == "" {
		return errors.New("cannot list hosts without --from; give the URL of NATS, such as nats://localhost:4222")
	}
	if err := checkURL("from", f.server.URL); err != nil {
		return err
	}
	if format != "table" && format != "json" {
		return errors.Errorf("cannot use --format %q: give table or json", format)
	}
	hosts, err := fleet.Hosts(ctx, f.server, servicelog.New(program, a.stderr, slog.LevelInfo))
	if err != nil {
		return err
	}
	now := time.Now()
	if format == "json" {
		out := json.NewEncoder(a.stdout)
		for i := range hosts {
			shown := struct {
				fleet.Presence
				State string `json:"state"`
			}{hosts[i], hosts[i].State(now)}
			if err := out.Encode(shown); err != nil {
				return errors.Wrap(err, "cannot write the output")
			}
		}
		return nil
	}
	var table visible.Table
	table.Row("HOST", "HOSTNAME", "STATE", "LAST SEEN", "LAST EVENT", "SENT", "GAPS", "VERSION")
	for i := range hosts {
		p := &hosts[i]
		table.Row(p.Host, p.Hostname, p.State(now), p.Time.Local().Format(time.DateTime), p.EventTime.Local().Format(time.DateTime),
			fmt.Sprint(p.Sent), fmt.Sprint(p.Gaps), p.Version)
	}
	return errors.Wrap(table.Print(a.stdout), "cannot write the output")
}

const fleetInitLong = `Print a nats-server configuration with a user for each host, which may publish the
events of that host only and read nothing of others; a user "collect", which may
read the streams; and a user "admin", which creates them:

  eventsvc forward --to nats://admin:PASSWORD@SERVER --create`

func (a *app) fleetCommand() *cobra.Command {
	c := &cobra.Command{Use: "fleet", Short: "Set up a fleet", Args: unknownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	initial := &cobra.Command{
		Use:     "init HOST...",
		Short:   "Print a nats-server configuration for hosts",
		Long:    fleetInitLong,
		Example: "  eventsvc fleet init h7 h8 > fleet.conf",
		RunE: func(_ *cobra.Command, hosts []string) error {
			if len(hosts) == 0 {
				return errors.New("cannot make a configuration without hosts; name each, as 'eventsvc forward --host' does")
			}
			return fleet.WriteConfig(a.stdout, hosts)
		},
	}
	c.AddCommand(initial)
	return c
}
