package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/visible"
)

const stateLong = `Print the present state: for each object that was created and not removed, its
newest status, since when, exit code, health and restarts; at most 1000 objects.
It is derived from the events in the store, without asking Podman. What happened
before the oldest of these events is not known; the last line says when that was.

Filters are those of 'eventsvc events'. Those on event, health and exit-code apply to the
present state: event=died selects what has ended, health=unhealthy what is unhealthy.

The format is 'json', one object with the members of GetState in io.podman.events;
or a Go template for each object with the fields .ExitCode .HealthSince
.HealthStatus .Host .ID .Image .Name .Restarts .Since .Status .Type .UID and the
functions of 'eventsvc events'.

With a cursor file, 'eventsvc events' with the same file continues where this
command ended: list and follow, without a gap.`

const stateExample = `  eventsvc state
  eventsvc state --filter type=container --filter 'name=web*' --since 1d
  eventsvc state --filter health=unhealthy
  eventsvc state --cursor-file c && eventsvc events --cursor-file c
  eventsvc state --format json | jq -r '.objects[] | select(.exitCode > 0) | .name'
  eventsvc state --format '{{.Name}} {{.Status}} {{.HealthStatus}}'`

func (a *app) stateCommand() *cobra.Command {
	var f eventsFlags
	c := &cobra.Command{
		Use:        "state",
		SuggestFor: []string{"ps", "list", "ls", "top"},
		Short:      "Print the present state of containers, images and the rest",
		Long:       stateLong,
		Example:    stateExample,
		Args:       noWords,
		RunE:       func(c *cobra.Command, _ []string) error { return a.state(c.Context(), &f) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	filterFlags(c, &f, "only objects whose events match `FILTER`, KEY=VALUE; may be repeated")
	flags.StringVar(&f.since, "since", "", "count only restarts later than this `TIME`")
	flags.StringVar(&f.format, "format", "", "`FORMAT` is json, or a Go template for each object (default a table)")
	flags.BoolVar(&f.noTrunc, "no-trunc", false, "do not truncate IDs to 12 characters in the table")
	flags.StringVar(&f.cursorFile, "cursor-file", "", "save the cursor to continue from in this `FILE`")
	addressFlag(c, &f.address)
	complete(c, "since", anyOf("10m", "1h", "24h"), 0)
	complete(c, "format", anyOf("json", "{{."), cobra.ShellCompDirectiveNoSpace)
	return c
}

// statePrinter prints a state.
type statePrinter func(w io.Writer, s *client.State) error

func (a *app) state(ctx context.Context, f *eventsFlags) error {
	printState, err := newStatePrinter(f)
	if err != nil {
		return err
	}
	if err := f.resolveTimes(time.Now()); err != nil {
		return err
	}
	place := &cursorFile{path: f.cursorFile}
	if f.cursorFile != "" {
		// The file is replaced, but it must contain a cursor: it may be the wrong file.
		if _, err := place.read(); err != nil {
			return err
		}
		if err := place.checkWritable(); err != nil {
			return err
		}
	}
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.GetState(ctx, client.StateQuery{Filters: f.filters, Since: f.since, AllUsers: f.allUsers})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := printState(&out, s); err != nil {
		return err
	}
	if _, err := a.stdout.Write(out.Bytes()); err != nil {
		return errors.Wrap(err, "cannot write the output")
	}
	if f.cursorFile == "" {
		return nil
	}
	return place.write(s.Cursor)
}

// stateFields are the fields of client.ObjectState, for error messages.
const stateFields = ".ExitCode .HealthSince .HealthStatus .Host .ID .Image .Name .Restarts .Since .Status .Type .UID"

func newStatePrinter(f *eventsFlags) (statePrinter, error) {
	switch {
	case f.format == "":
		return func(w io.Writer, s *client.State) error { return writeState(w, s, !f.noTrunc, f.widened()) }, nil
	case isJSON(f.format):
		return writeStateJSON, nil
	case strings.HasPrefix(f.format, "table") || !strings.Contains(f.format, "{{"):
		return nil, errors.Errorf("cannot use --format %q: give json, or a Go template such as '{{.Name}}'; or leave it out for a table", f.format)
	}
	sample := client.ObjectState{ExitCode: new(int), UID: new(uint32)}
	execute, err := parseTemplate(f.format, &sample, stateFields)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer, s *client.State) error {
		for i := range s.Objects {
			o := s.Objects[i]
			o.Since = o.Since.Local()
			if err := execute(w, &o); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// objectJSON has the members of ObjectState in the contract, with libpod's words.
type objectJSON struct {
	Type         events.Type   `json:"type"`
	Status       events.Status `json:"status"`
	Since        string        `json:"since"`
	ID           string        `json:"id,omitempty"`
	Name         string        `json:"name,omitempty"`
	Image        string        `json:"image,omitempty"`
	ExitCode     *int          `json:"exitCode,omitempty"`
	HealthStatus string        `json:"healthStatus,omitempty"`
	HealthSince  string        `json:"healthSince,omitempty"`
	Restarts     int           `json:"restarts"`
	UID          *uint32       `json:"uid,omitempty"`
	Host         string        `json:"host,omitempty"`
}

// writeStateJSON writes the reply of GetState.
func writeStateJSON(w io.Writer, s *client.State) error {
	objects := make([]objectJSON, len(s.Objects)) // [] and never null
	for i, o := range s.Objects {
		objects[i] = objectJSON{
			o.Type, o.Status, timeOrNone(o.Since), o.ID, o.Name, o.Image, o.ExitCode, o.HealthStatus, timeOrNone(o.HealthSince),
			o.Restarts, o.UID, o.Host,
		}
	}
	line, err := compactJSON(struct {
		Objects []objectJSON `json:"objects"`
		Cursor  string       `json:"cursor"`
		Oldest  string       `json:"oldest,omitempty"`
	}{objects, s.Cursor, timeOrNone(s.Oldest)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, line)
	return err
}

// writeState writes a state for people.
func writeState(w io.Writer, s *client.State, truncate, namesUser bool) error {
	var table visible.Table
	users := make(userNames)
	row := func(user string, cells ...string) {
		if namesUser {
			cells = append([]string{user}, cells...)
		}
		for i := range cells {
			cells[i] = cmp.Or(cells[i], "-")
		}
		table.Row(cells...)
	}
	if len(s.Objects) > 0 {
		row("USER", "TYPE", "ID", "NAME", "STATUS", "SINCE", "HEALTH", "RESTARTS", "IMAGE")
	}
	for _, o := range s.Objects {
		id, status := o.ID, string(o.Status)
		if truncate {
			id = cut(strings.TrimPrefix(id, "sha256:"), shortIDLetters)
		}
		if o.ExitCode != nil {
			status = fmt.Sprintf("%s (%d)", status, *o.ExitCode)
		}
		row(users.of(o.UID, o.Host), string(o.Type), id, o.Name, status, o.Since.Local().Format(time.DateTime), o.HealthStatus,
			fmt.Sprint(o.Restarts), o.Image)
	}
	if err := table.Print(w); err != nil {
		return err
	}
	known := "there are no events"
	if !s.Oldest.IsZero() {
		known = "events since " + s.Oldest.Local().Format("2006-01-02 15:04:05 -0700")
	}
	noun := "objects"
	if len(s.Objects) == 1 {
		noun = "object"
	}
	_, err := fmt.Fprintf(w, "%d %s; %s\n", len(s.Objects), noun, known)
	return err
}
