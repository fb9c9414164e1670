package events

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Bound says which end of a span of time a value stands for, and so what an
// unsigned duration means in it.
type Bound string

// The bounds, and the time of an event to be written, in the names of the
// parameters of io.podman.events.
const (
	Since   Bound = "since"
	Until   Bound = "until"
	Written Bound = "time"
)

// timeForms are the forms with a date, apart from Unix seconds. A form without
// a zone is in UTC. A fraction of a second is understood in each that has
// seconds, since package time accepts one even where the layout has none.
var timeForms = []string{
	time.RFC3339,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05 -0700 MST",   // as podman events prints it
	"2006-01-02T15:04:05 -0700 -0700", // the same in a zone without a name
	"2006-01-02T15:04:05 -0700",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02T15Z07:00",
	"2006-01-02T15",
	"2006-01-02Z07:00",
	"2006-01-02",
}

// timeHint says what is understood.
func timeHint(bound Bound) string {
	const hint = "give RFC 3339 (2006-01-02T15:04:05Z), a date, Unix seconds or 'now'"
	if bound == Written {
		return hint
	}
	return hint + ", or a duration such as 10m"
}

// ParseTime understands a time as users write it, exact to the nanosecond:
// RFC 3339 with or without fraction and zone, a date, Unix seconds with or
// without fraction, "now", or a duration in Go's form. Without a zone a time is
// in UTC. An unsigned duration is ago in since and ahead in until, as in
// Podman 5; with a sign it means the same in both, "-10m" ago and "+10m" ahead.
// For Written no duration is understood. A value that cannot be understood is a
// *TimeError.
func ParseTime(bound Bound, value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, &TimeError{string(bound), value, "it is empty; " + timeHint(bound)}
	}
	if value == "now" {
		return now, nil
	}
	if t, ok, err := parseUnix(value); ok {
		if err != "" {
			return time.Time{}, &TimeError{string(bound), value, err}
		}
		return t, nil
	}
	date := asDate(value)
	for _, form := range timeForms {
		t, err := time.Parse(form, date)
		if err != nil {
			continue
		}
		if _, err := t.AppendText(nil); err != nil { // of a zone a day and more away
			return time.Time{}, &TimeError{string(bound), value, "its zone is out of range; give at most 23:59"}
		}
		return t, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || bound == Written {
		return time.Time{}, &TimeError{string(bound), value, timeReason(bound, value)}
	}
	if signed := value[0] == '-' || value[0] == '+'; !signed && bound == Since {
		d = -d
	}
	return now.Add(d), nil
}

// asDate returns a value that begins with a date as the forms have it: RFC 3339
// allows a blank and small letters where package time does not, and the blank is
// what podman events prints.
func asDate(value string) string {
	const day = len("2006-01-02")
	if len(value) <= day || !allDigits(value[:4]) || value[4] != '-' {
		return value
	}
	if value[day] == ' ' || value[day] == 't' {
		value = value[:day] + "T" + value[day+1:]
	}
	if rest, small := strings.CutSuffix(value, "z"); small {
		value = rest + "Z"
	}
	return value
}

// timeReason says why a value with the look of a date or duration is none.
func timeReason(bound Bound, value string) string {
	if len(value) >= len("2006-01-02") && allDigits(value[:4]) && value[4] == '-' {
		if _, err := time.Parse("2006-01-02", value[:10]); err != nil {
			return "there is no such date; " + timeHint(bound)
		}
	}
	return timeHint(bound)
}

// parseUnix understands seconds since the epoch with at most nine digits of
// fraction that matter. ok is false if the value is not of that form.
func parseUnix(value string) (t time.Time, ok bool, reason string) {
	seconds, fraction, _ := strings.Cut(value, ".")
	if seconds == "" || !allDigits(seconds) || !allDigits(fraction) || strings.HasSuffix(value, ".") {
		return time.Time{}, false, ""
	}
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || s > math.MaxInt64/int64(time.Second) {
		return time.Time{}, true, "it is too far in the future"
	}
	const digits = 9
	fraction = (fraction + strings.Repeat("0", digits))[:digits]
	ns, _ := strconv.ParseInt(fraction, 10, 64)
	return time.Unix(s, ns).UTC(), true, ""
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// UnixNano returns the time in nanoseconds since 1970-01-01 00:00:00 UTC, and
// the nearest number that fits for times before 1678 and after 2262.
func UnixNano(t time.Time) int64 {
	const first, last = math.MinInt64 / int64(time.Second), math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case s <= first:
		return math.MinInt64
	case s >= last:
		return math.MaxInt64
	}
	return t.UnixNano()
}
