package iopodman

import (
	"math"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// parseTime parses since or until as Podman 1.x did, and also everything that
// events.ParseTime accepts. A duration counts back in both: "10m" is ten minutes ago,
// and "-5s" five seconds ahead. The error is an *events.TimeError.
func parseTime(bound events.Bound, value string, now time.Time) (time.Time, error) {
	if isDuration(value) {
		if d, err := time.ParseDuration(value); err == nil {
			// The smallest of all has no positive counterpart.
			return now.Add(-max(d, -math.MaxInt64)), nil
		}
	}
	// Of other durations the sign is inverted; without one they are ago.
	turned := value
	if sign := strings.IndexAny(value, "-+"); sign == 0 {
		turned = map[byte]string{'-': "+", '+': "-"}[value[0]] + value[1:]
	}
	if t, err := events.ParseTime(events.Since, turned, now); err == nil {
		return t, nil
	}
	return events.ParseTime(bound, value, now)
}

// isDuration reports whether the value can be a duration. One without a unit is 0,
// which is a number of seconds like any other.
func isDuration(value string) bool {
	return value != "" && (value[len(value)-1] < '0' || value[len(value)-1] > '9')
}
