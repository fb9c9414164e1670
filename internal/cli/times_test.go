package cli

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// TestTimes_ofTheHelp: what the help shows is understood.
func TestTimes_ofTheHelp(t *testing.T) {
	optional := regexp.MustCompile(`[][]`)
	for _, row := range timeExamples {
		for _, example := range strings.Split(row.example, "  ") {
			example = strings.Replace(optional.ReplaceAllString(example, ""), "…", "2026-11-23T14:30:05", 1)
			if _, err := events.ParseTimeIn(events.Since, example, time.Now(), time.Local); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestTimes_pastedFromTheOutput: what is pasted from the output without its zone
// finds what it showed, wherever the command runs.
func TestTimes_pastedFromTheOutput(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }() //nolint:gosmopolitan // this is about the zone of the command
	for _, name := range []string{"Asia/Kolkata", "America/New_York", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		time.Local = zone //nolint:gosmopolitan // as above
		r := newRig(t, sample)
		show := func(args ...string) string {
			stdout, stderr, code := r.run(append([]string{"events", "--stream=false"}, args...)...)
			if code != exitOK {
				t.Fatalf("%q: %s", args, stderr)
			}
			return stdout
		}
		for line := range strings.Lines(show()) {
			shown := line[:len("2026-11-23 12:00:00")]
			at, err := time.ParseInLocation(time.DateTime, shown, zone)
			if err != nil {
				t.Fatal(err)
			}
			got := show("--since", at.Add(-time.Second).Format(time.DateTime), "--until", at.Add(time.Second).Format(time.DateTime))
			if !strings.Contains(got, line) {
				t.Errorf("%s: around %s there is only\n%s, and not\n%s", name, shown, got, line)
			}
		}
	}
}
