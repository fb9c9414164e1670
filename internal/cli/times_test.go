package cli

import (
	"os"
	"os/exec"
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
// finds what it showed, wherever the command runs. It is a process of its own: the
// zone is one for all goroutines.
func TestTimes_pastedFromTheOutput(t *testing.T) {
	r := newRig(t, sample)
	for _, name := range []string{"Asia/Kolkata", "America/New_York", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		show := func(args ...string) string {
			c := exec.Command(os.Args[0], append([]string{"events", "--stream=false", "--address", r.address}, args...)...)
			c.Env = append(os.Environ(), mainVariable+"=1", "TZ="+name)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%q: %v, %s", args, err, out)
			}
			return string(out)
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
