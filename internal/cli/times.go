package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
)

// timeExamples are the forms of a time, as shown in the help.
var timeExamples = []struct{ example, meaning string }{
	{"10m  90s  1h30m  2d  2 weeks", "--since: ago, --until: ahead"},
	{"-10m  1 hour ago  +10m", "ago, ago, ahead; in both"},
	{"now  today  yesterday  tomorrow", "days begin at midnight"},
	{"14:30  14:30:05", "today"},
	{"2026-11-23", "the first moment of that day"},
	{"2026-11-23 14:30[:05[.123]]", "in the zone of this command, as it prints times"},
	{"2026-11-23T14:30:05Z  …+01:00", "RFC 3339"},
	{"2026-11-23 14:30:05 +0100 CET", "as this command and podman events print it"},
	{"Mon 2026-11-23 14:30:05 UTC", "as journalctl prints it, in UTC or in this zone (CET)"},
	{"1795437717  @1795437717.5", "seconds since 1970"},
}

// timeTable is the table of the help.
func timeTable() string {
	var b strings.Builder
	for _, row := range timeExamples {
		fmt.Fprintf(&b, "  %-33s %s\n", row.example, row.meaning)
	}
	return b.String()
}

// resolveTimes converts the bounds to forms that the service accepts. Times without a
// zone are in the zone in which this command prints times; durations are relative to
// now.
func (f *eventsFlags) resolveTimes(now time.Time) error {
	for _, bound := range []struct {
		name  events.Bound
		value *string
	}{{events.Since, &f.since}, {events.Until, &f.until}} {
		if *bound.value == "" {
			continue
		}
		t, err := events.ParseTimeIn(bound.name, *bound.value, now, time.Local)
		if err != nil {
			return errors.WithStack(err)
		}
		*bound.value = t.UTC().Format(time.RFC3339Nano)
	}
	return nil
}
