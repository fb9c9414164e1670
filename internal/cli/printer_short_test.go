package cli

import (
	"fmt"
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

// TestShort_fitsTheTerminal: wide letters and letters over others are counted as a
// terminal draws them, on narrow ones too.
func TestShort_fitsTheTerminal(t *testing.T) {
	e := &events.Event{
		Type: events.Container, Status: events.Exited, ID: strings.Repeat("c1", 32), Name: "\u5bb9\u5668\U0001f433e\u0301", Image: "img",
		ContainerExitCode: new(137), Time: time.Date(2026, 11, 23, 12, 45, 39, 0, time.UTC),
	}
	const line = "12:45:39 container died          c1c1c1c1c1c1 \u5bb9\u5668\U0001f433e\u0301 exit=137 img"
	for _, test := range []struct {
		width int
		want  string
	}{
		{80, line},
		{66, line},
		{65, strings.TrimSuffix(line, "g")},
		{49, "12:45:39 container died          c1c1c1c1c1c1 \u5bb9"},
		{48, "12:45:39 container died          c1c1c1c1c1c1 \u5bb9"},
		{47, "12:45:39 container died          c1c1c1c1c1c1 "},
		{21, "12:45:39 container di"},
		{8, "12:45:39"},
		{1, "1"},
	} {
		var out strings.Builder
		if err := shortLines(false, false, func() int { return test.width })(&out, e); err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(strings.TrimSuffix(out.String(), "\n"), "\n")
		check(t, fmt.Sprintf("in %d cells", test.width), got, test.want)
	}
}
