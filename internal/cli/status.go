package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/internal/visible"
)

const statusLong = `Print what the service reads and whether anything is wrong. With --format json it
is one JSON object with the members of GetStatus in io.podman.events.`

func (a *app) statusCommand() *cobra.Command {
	var address, format string
	c := &cobra.Command{
		Use:     "status",
		Short:   "Print the state of the service",
		Long:    statusLong,
		Example: "  eventsvc status\n  eventsvc status --format json",
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.status(c.Context(), address, format) },
	}
	c.Flags().StringVar(&format, "format", "", "`FORMAT` is json (default text)")
	addressFlag(c, &address)
	complete(c, "format", anyOf("json"), 0)
	return c
}

func (a *app) status(ctx context.Context, address, format string) error {
	if format != "" && format != "json" {
		return errors.Errorf("cannot use --format %q: give json, or leave it out for text", format)
	}
	c, err := client.New(address)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.GetStatus(ctx)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if format == "json" {
		err = writeStatusJSON(&out, s)
	} else {
		err = writeStatus(&out, c, s, time.Now())
	}
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// writeStatusJSON writes the reply of GetStatus.
func writeStatusJSON(w io.Writer, s *client.Status) error {
	line, err := compactJSON(struct {
		Version       string `json:"version"`
		Backend       string `json:"backend"`
		Path          string `json:"path,omitempty"`
		Oldest        string `json:"oldest,omitempty"`
		Newest        string `json:"newest,omitempty"`
		EventsRead    int64  `json:"eventsRead"`
		EventsWritten int64  `json:"eventsWritten"`
		Subscribers   int64  `json:"subscribers"`
		Skipped       int64  `json:"skipped"`
		LastSkipped   string `json:"lastSkipped,omitempty"`
		Fault         string `json:"fault,omitempty"`
	}{
		s.Version, string(s.Backend), s.Path, timeOrNone(s.Oldest), timeOrNone(s.Newest),
		s.EventsRead, s.EventsWritten, s.Subscribers, s.Skipped, s.LastSkipped, s.Fault,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, line)
	return err
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// writeStatus writes the state for people.
func writeStatus(w io.Writer, c *client.Client, s *client.Status, now time.Time) error {
	var table visible.Table
	row := func(name, format string, arguments ...any) { table.Row(name+":", fmt.Sprintf(format, arguments...)) }
	address := c.Address()
	if source := c.AddressSource(); source != "" {
		address += " (" + source + ")"
	}
	row("Address", "%s", address)
	row("Version", "%s", s.Version)
	if s.Path != "" {
		row("Store", "%s %s", s.Backend, s.Path)
	} else {
		row("Store", "%s", s.Backend)
	}
	row("Oldest event", "%s", age(s.Oldest, now))
	row("Newest event", "%s", age(s.Newest, now))
	row("Events read", "%d", s.EventsRead)
	row("Events written", "%d", s.EventsWritten)
	row("Subscribers", "%d", s.Subscribers)
	row("Skipped", "%d", s.Skipped)
	if s.LastSkipped != "" {
		row("Last skipped", "%s", s.LastSkipped)
	}
	if s.Fault != "" {
		row("Fault", "%s", s.Fault)
	}
	return table.Print(w)
}

// age formats a time, and how long ago it was.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%s (%s ago)", t.Local().Format("2006-01-02 15:04:05 -0700"), now.Sub(t).Round(time.Second))
}
