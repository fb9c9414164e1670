package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// TestShort_hourThatComesTwice: when clocks are put back, a line says from where on
// the new zone counts.
func TestShort_hourThatComesTwice(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	var out strings.Builder
	show := shortPrinter(false, &out)
	for _, at := range []string{"2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T23:30:00Z"} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := show(&out, &events.Event{Type: events.Volume, Status: events.Mount, Name: "v", Time: moment.In(zone)}); err != nil {
			t.Fatal(err)
		}
	}
	const rest = " volume    mount                      v\n"
	check(t, "stdout", out.String(), "-- Sun 2026-10-25\n00:30:00"+rest+"02:30:00"+rest+"-- Sun 2026-10-25 +0100\n02:30:00"+rest+"-- Mon 2026-10-26\n00:30:00"+rest)
}
