package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/term"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// printer prints an event.
type printer func(w io.Writer, e *events.Event) error

// The formats that have a name.
const (
	formatJSON  = "json"
	formatShort = "short"
)

// newPrinter returns the printer for the format flag: the format of podman events if it
// is empty, a named format, or a Go template.
func newPrinter(f *eventsFlags, stdout io.Writer) (printer, error) {
	switch {
	case f.format == "":
		return humanPrinter(!f.noTrunc, f.widened(), stdout), nil
	case isJSON(f.format):
		return printJSON, nil
	case f.format == formatShort:
		return shortPrinter(f.widened(), stdout), nil
	case strings.HasPrefix(f.format, "table ") || f.format == "table":
		return nil, errors.New("cannot use --format: events are printed one by one, not as a table; leave 'table' out, or give short")
	case !strings.Contains(f.format, "{{"):
		return nil, unknownFormat(f.format)
	}
	execute, err := parseTemplate(f.format, newTemplateEvent(&sampleEvent), templateFields)
	return func(w io.Writer, e *events.Event) error { return execute(w, newTemplateEvent(e)) }, err
}

// plainLine returns the line of the format, if the client can print it: that of JSON, or
// that of podman events without colour and user.
func plainLine(f *eventsFlags, stdout io.Writer) (as client.Line, ok bool) {
	as = client.Line{JSON: isJSON(f.format), Truncate: !f.noTrunc, Zone: time.Local}
	return as, as.JSON || f.format == "" && !f.widened() && !isColoured(stdout)
}

// unknownFormat returns an error with advice: Podman prints such a word for each event.
func unknownFormat(format string) error {
	if strings.Contains(strings.ToLower(format), formatJSON) {
		return errors.Errorf("cannot use --format %s: give json, which prints a line of JSON for each event", format)
	}
	return errors.Errorf("cannot use --format %q: give json, short, or a Go template such as '{{.Name}}'", format)
}

// isJSON reports whether the format selects JSON lines, in the spellings that Podman
// accepts.
func isJSON(format string) bool {
	format = strings.ReplaceAll(strings.TrimSpace(format), " ", "")
	return format == formatJSON || format == "{{json.}}"
}

// printJSON prints the line of --format json, which a command of exec also gets on
// stdin.
func printJSON(w io.Writer, e *events.Event) error {
	_, err := w.Write(append(e.AppendOutputJSON(nil), '\n'))
	return err
}

// humanPrinter prints the line of podman events, with colours on a terminal. If the
// events may be of several users, the line ends with the user.
func humanPrinter(truncate, namesUser bool, stdout io.Writer) printer {
	coloured := isColoured(stdout)
	users := make(userNames)
	var line []byte // reused
	return func(w io.Writer, e *events.Event) error {
		line = e.AppendHumanReadable(line[:0], truncate)
		if namesUser {
			line = append(append(line, " user="...), users.of(e.UID, e.Host)...)
		}
		if coloured {
			line = append(line[:0], colour(string(line), e)...)
		}
		line = append(line, '\n')
		_, err := w.Write(line)
		return err
	}
}

func isColoured(w io.Writer) bool { return isTerminal(w) && wantsColour() }

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// wantsColour honours NO_COLOR (no-color.org) and terminals without colours.
func wantsColour() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// The colours of a line (ECMA-48, select graphic rendition).
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func paint(code, text string) string { return "\x1b[" + code + "m" + text + "\x1b[0m" }

// statusColours are the colours of notable statuses. Red means failure.
var statusColours = map[events.Status]string{
	events.Create: green, events.Start: green, events.Unpause: green, events.Restart: green, events.Pull: green,
	events.Kill: yellow, events.Stop: yellow, events.Pause: yellow, events.Exited: yellow, events.ExecDied: yellow, events.Untag: yellow,
}

// wentWrong reports whether the event is a failure: an error, an exit code other than
// 0, or a container that is not healthy.
func wentWrong(e *events.Event) bool {
	return e.Status == events.PullError || e.HealthStatus == "unhealthy" || e.ContainerExitCode != nil && *e.ContainerExitCode != 0
}

// statusColour returns the colour of a status.
func statusColour(e *events.Event) string {
	if wentWrong(e) {
		return red
	}
	if code, known := statusColours[e.Status]; known {
		return code
	}
	return cyan
}

// colour adds colours to the time, type and status at the beginning of a line.
func colour(line string, e *events.Event) string {
	head, rest, found := strings.Cut(line, fmt.Sprintf(" %s %s", visible.Text(string(e.Type)), visible.Text(string(e.Status))))
	if !found {
		return line
	}
	status := paint(statusColour(e), visible.Text(string(e.Status)))
	return paint(dim, head) + " " + visible.Text(string(e.Type)) + " " + status + rest
}

// compactJSON returns a value as JSON in one line, without escaping HTML's characters.
func compactJSON(value any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	return string(visible.JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n")))), nil
}
