package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/eventsvc/eventsvc/events"
)

// printer prints an event.
type printer func(w io.Writer, e *events.Event) error

// newPrinter returns the printer for the format of the flags: that of podman
// events for people if it is empty, "json", or a Go template.
func newPrinter(f *eventsFlags, stdout io.Writer) (printer, error) {
	switch {
	case f.format == "":
		return humanPrinter(!f.noTrunc, f.widened(), stdout), nil
	case isJSON(f.format):
		return jsonPrinter(), nil
	}
	return templatePrinter(f.format)
}

// isJSON reports whether the format asks for JSON lines, in the spellings that
// Podman takes.
func isJSON(format string) bool {
	format = strings.ReplaceAll(strings.TrimSpace(format), " ", "")
	return format == "json" || format == "{{json.}}"
}

// jsonPrinter prints the line of Podman's event log with one more member.
func jsonPrinter() printer {
	var line []byte // reused
	return func(w io.Writer, e *events.Event) (err error) {
		if line, err = appendEventJSON(line[:0], e); err != nil {
			return err
		}
		line = append(line, '\n')
		_, err = w.Write(line)
		return err
	}
}

func appendEventJSON(line []byte, e *events.Event) ([]byte, error) {
	line, err := e.AppendJSON(line)
	if err != nil {
		return line, err
	}
	if e.Cursor != "" {
		line = append(line[:len(line)-1], `,"Cursor":`...)
		line = append(events.AppendString(line, e.Cursor), '}')
	}
	return events.VisibleJSON(line), nil
}

// humanPrinter prints the line of podman events, on a terminal in colour. Where the
// events may be of several users it ends with the user of each.
func humanPrinter(truncate, namesUser bool, stdout io.Writer) printer {
	coloured := isTerminal(stdout) && wantsColour()
	users := make(userNames)
	var line []byte // reused
	return func(w io.Writer, e *events.Event) error {
		line = e.AppendHumanReadable(line[:0], truncate)
		if namesUser {
			line = append(append(line, " user="...), users.of(e)...)
		}
		if coloured {
			line = append(line[:0], colour(string(line), e)...)
		}
		line = append(line, '\n')
		_, err := w.Write(line)
		return err
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// wantsColour honours NO_COLOR (no-color.org) and terminals that have none.
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

// statusColours are those of statuses that catch the eye.
var statusColours = map[events.Status]string{
	events.Create: green, events.Start: green, events.Unpause: green, events.Restart: green, events.Pull: green,
	events.Remove: red, events.Kill: red, events.PullError: red,
	events.Stop: yellow, events.Pause: yellow, events.Exited: yellow, events.ExecDied: yellow, events.Untag: yellow,
}

// colour paints the time, type and status at the beginning of a line.
func colour(line string, e *events.Event) string {
	head, rest, found := strings.Cut(line, fmt.Sprintf(" %s %s", events.Visible(string(e.Type)), events.Visible(string(e.Status))))
	if !found {
		return line
	}
	status := paint(cyan, events.Visible(string(e.Status)))
	code, known := statusColours[e.Status]
	if e.ContainerExitCode != nil && *e.ContainerExitCode != 0 {
		code, known = red, true
	}
	if known {
		status = paint(code, events.Visible(string(e.Status)))
	}
	return paint(dim, head) + " " + events.Visible(string(e.Type)) + " " + status + rest
}

// compactJSON returns a value as JSON in one line, HTML's characters as they
// are.
func compactJSON(value any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	return string(events.VisibleJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n")))), nil
}
