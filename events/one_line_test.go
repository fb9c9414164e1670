package events

import (
	"testing"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// hidden are characters that must not reach a terminal or end a line.
const hidden = "\n\r\t\x00\x1b\x7f\u0085\u009b\u00ad\u061c\u115f\u200b\u200e\u2028\u2029\u202e\u2066\ufe0f\ufeff\U000e0001\xff"

// The line of an event is one line, whichever field holds what.
func TestToHumanReadable_isOneLine(t *testing.T) {
	for _, kind := range append(Types(), "new\ntype") {
		e := Event{
			Type: kind, Status: Status("x" + hidden), ID: hidden, Name: hidden, Image: hidden, Network: hidden, HealthStatus: hidden,
			HealthLog: hidden, Error: hidden, Details: Details{PodID: hidden, Attributes: map[string]string{hidden: hidden}},
		}
		for _, truncate := range []bool{false, true} {
			if line := e.ToHumanReadable(truncate); visible.Text(line) != line {
				t.Errorf("%s: %q", kind, line)
			}
		}
	}
}
