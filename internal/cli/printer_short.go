package cli

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// shortIDLetters is the length to which Podman truncates an ID for people.
const shortIDLetters = 12

// shortPrinter prints a line for people: the local time of day (with a separate line
// for the date where date or zone change), type and status, the shortened ID, the name,
// the outcome, and then the rest, cut to the width of the terminal.
func shortPrinter(namesUser bool, stdout io.Writer) printer {
	if !isTerminal(stdout) {
		return shortLines(namesUser, false, func() int { return math.MaxInt })
	}
	return shortLines(namesUser, wantsColour(), func() int { return terminalWidth(stdout) })
}

// shortLines is shortPrinter for lines whose width, in terminal cells, may change from
// one line to the next.
func shortLines(namesUser, coloured bool, width func() int) printer {
	day, offset := "", 0
	users := make(userNames)
	return func(w io.Writer, e *events.Event) error {
		var b strings.Builder
		today := e.Time.Format("Mon 2006-01-02")
		_, east := e.Time.Zone()
		room := width()
		switch {
		case day != "" && east != offset: // an hour may repeat
			b.WriteString(visible.Cut("-- "+e.Time.Format("Mon 2006-01-02 -0700"), room) + "\n")
		case today != day:
			b.WriteString(visible.Cut("-- "+today, room) + "\n")
		}
		day, offset = today, east
		head := e.Time.Format("15:04:05") + " "
		what := fmt.Sprintf("%-9s ", visible.Text(string(e.Type)))
		status := visible.Text(string(e.Status))
		rest := strings.Repeat(" ", max(1, 14-visible.Width(status))) + visible.Text(shortRest(e))
		if namesUser {
			rest += " user=" + users.of(e.UID, e.Host)
		}
		for _, part := range []*string{&head, &what, &status, &rest} {
			*part = visible.Cut(*part, room)
			room -= visible.Width(*part)
		}
		if coloured {
			head, status = paint(dim, head), paint(statusColour(e), status)
		}
		b.WriteString(head + what + status + rest + "\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
}

// shortRest returns what follows the status.
func shortRest(e *events.Event) string {
	id := e.ID
	if _, digest, found := strings.Cut(id, ":"); found {
		id = digest
	}
	parts := []string{fmt.Sprintf("%-*s", shortIDLetters, cut(id, shortIDLetters)), e.Name}
	if e.Network != "" {
		parts = append(parts, e.Network)
	}
	if e.ContainerExitCode != nil {
		parts = append(parts, fmt.Sprintf("exit=%d", *e.ContainerExitCode))
	}
	if e.HealthStatus != "" {
		parts = append(parts, e.HealthStatus)
	}
	if e.HealthFailingStreak > 0 {
		parts = append(parts, fmt.Sprintf("failed=%d", e.HealthFailingStreak))
	}
	parts = append(parts, e.Error, e.Host, e.Image)
	for _, key := range slices.Sorted(maps.Keys(e.Attributes)) {
		parts = append(parts, key+"="+e.Attributes[key])
	}
	return strings.TrimRight(strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " "), " ")
}

// terminalWidth returns how many cells a line has.
func terminalWidth(w io.Writer) int {
	const usual = 80
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return usual
}
