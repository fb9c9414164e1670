package cli

import (
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

func TestPrinter_terminal(t *testing.T) {
	failed := 3
	for _, test := range []struct {
		name  string
		event events.Event
		want  string
	}{
		{
			"The time steps back and the status stands out",
			events.Event{Type: events.Volume, Status: events.Create, Name: "v"},
			"\x1b[2m2026-11-23 12:45:39 +0000 UTC\x1b[0m volume \x1b[32mcreate\x1b[0m v",
		},
		{
			"A failure is red",
			events.Event{Type: events.Container, Status: events.Exited, Name: "c", ID: "i", ContainerExitCode: &failed},
			"\x1b[2m2026-11-23 12:45:39 +0000 UTC\x1b[0m container \x1b[31mdied\x1b[0m i (image=, name=c)",
		},
		{
			"What a label holds does not steer the terminal",
			events.Event{Type: events.Volume, Status: events.Tag, Name: "\x1b]0;title\a\r\n\u009b31m\u202eevil"},
			"\x1b[2m2026-11-23 12:45:39 +0000 UTC\x1b[0m volume \x1b[36mtag\x1b[0m " + `\x1b]0;title\a\r\n\u009b31m\u202eevil`,
		},
		{
			"Nor does an unknown type",
			events.Event{Type: "\x1b[2J", Status: "x", Name: "v"},
			"\x1b[2m2026-11-23 12:45:39 +0000 UTC\x1b[0m " + `\x1b[2J` + " \x1b[36mx\x1b[0m v",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.event.Time = time.Date(2026, 11, 23, 12, 45, 39, 0, time.UTC)
			check(t, "the line", colour(test.event.ToHumanReadable(false), &test.event), test.want)
		})
	}
}

func TestPrinter_colour(t *testing.T) {
	for _, test := range []struct {
		noColor, term string
		want          bool
	}{
		{"", "xterm", true},
		{"1", "xterm", false},
		{"", "dumb", false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if got := wantsColour(); got != test.want {
			t.Errorf("with NO_COLOR=%q TERM=%q colour is wanted: %v", test.noColor, test.term, got)
		}
	}
}
