package events

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bound is the end of a time range that a value is for, and so decides what an unsigned
// duration means.
type Bound string

// The bounds, and the time of an event to be written, with the names of the parameters
// of io.podman.events.
const (
	Since   Bound = "since"
	Until   Bound = "until"
	Written Bound = "time"
)

// zonedForms are the forms with a date and a zone, except Unix seconds. Each that has
// seconds also matches a fraction of a second, since package time accepts one even if
// the layout has none.
var zonedForms = []string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05 -0700 MST",   // as printed by podman events
	"2006-01-02T15:04:05 -0700 -0700", // the same in a zone without a name
	"2006-01-02T15:04:05 -0700",
	"2006-01-02T15:04:05 UTC", // as printed by journalctl
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04 -0700",
	"2006-01-02T15:04 UTC",
	"2006-01-02T15Z07:00",
	"2006-01-02Z07:00",
}

// localForms are the forms without a zone.
var localForms = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02"}

// clockForms are times of the current day.
var clockForms = []string{"15:04:05", "15:04"}

// timeHint says which forms are valid.
func timeHint(bound Bound) string {
	const hint = "give RFC 3339 (2006-01-02T15:04:05Z), a date, Unix seconds or 'now'"
	if bound == Written {
		return hint
	}
	return hint + ", or a duration such as 10m, 2d or '1 hour ago'"
}

// ParseTime is ParseTimeIn with UTC for times without a zone.
func ParseTime(bound Bound, value string, now time.Time) (time.Time, error) {
	return ParseTimeIn(bound, value, now, time.UTC)
}

// ParseTimeIn parses a time as users write it, exact to the nanosecond. It may be:
//
//   - RFC 3339, with or without fraction and zone
//   - what podman events and journalctl print
//   - a date, or a time of the current day
//   - Unix seconds, with or without fraction or '@' (required for short numbers, which
//     could also be a date without hyphens or a duration without its unit)
//   - "now", "today", "yesterday" or "tomorrow"
//   - a duration in Go's form or systemd's (systemd.time(7))
//
// A time without a zone is in the given zone. A duration without a sign is ago in since
// and ahead in until, as in Podman 5; with a sign, or with "ago", it means the same in
// both. For Written no duration is accepted. For a value that is invalid or ambiguous
// the error is a *TimeError.
func ParseTimeIn(bound Bound, value string, now time.Time, zone *time.Location) (time.Time, error) {
	t, reason := parseTime(bound, withoutMonotonic(value), now, zone)
	if reason != "" {
		return time.Time{}, &TimeError{string(bound), value, reason}
	}
	return t, nil
}

func parseTime(bound Bound, value string, now time.Time, zone *time.Location) (t time.Time, reason string) {
	if value == "" {
		return t, "it is empty; " + timeHint(bound)
	}
	days, isDay := map[string]int{"yesterday": -1, "today": 0, "tomorrow": 1}[value]
	switch {
	case value == "now":
		return now, ""
	case isDay:
		year, month, day := now.In(zone).Date()
		return time.Date(year, month, day+days, 0, 0, 0, 0, zone), ""
	}
	seconds, hasAt := strings.CutPrefix(value, "@")
	if t, ok, reason := parseUnix(seconds); ok || hasAt {
		switch {
		case !ok:
			reason = "after '@' there have to be Unix seconds"
		case !hasAt:
			reason = cmp.Or(otherNumber(value), reason)
		}
		return t, reason
	}
	if t, ok, reason := parseDate(value, now, zone); ok {
		return t, reason
	}
	d, signed, ok, reason := parseDuration(value)
	switch {
	case bound == Written, !ok:
		return t, timeReason(bound, value)
	case !signed && bound == Since:
		d = -d
	}
	return now.Add(d), reason
}

// withoutMonotonic cuts off the monotonic clock reading that Go prints after a time:
// Podman's own events have it.
func withoutMonotonic(value string) string {
	if i := strings.LastIndex(value, " m="); i >= 0 {
		if _, err := strconv.ParseFloat(value[i+len(" m="):], 64); err == nil {
			return value[:i]
		}
	}
	return value
}

// parseDate parses a value with a date or a time of day. ok is false if the value has
// neither.
func parseDate(value string, now time.Time, zone *time.Location) (t time.Time, ok bool, reason string) {
	weekday, date := cutWeekday(value)
	date = asDate(date)
	for _, form := range zonedForms {
		if t, err := time.Parse(form, date); err == nil {
			if _, err := t.AppendText(nil); err != nil { // of a zone a day or more away
				return t, true, "its zone is out of range; give at most 23:59"
			}
			return t, true, checkWeekday(t, weekday)
		}
	}
	date, name := cutZoneName(date)
	for _, form := range localForms {
		if wall, err := time.Parse(form, date); err == nil {
			t, reason := inZone(wall, zone, name)
			if reason == "" {
				reason = checkWeekday(wall, weekday)
			}
			return t, true, reason
		}
	}
	for _, form := range clockForms {
		if clock, err := time.Parse(form, value); err == nil {
			year, month, day := now.In(zone).Date()
			t, reason := inZone(time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), time.UTC), zone, "")
			return t, true, reason
		}
	}
	return t, false, ""
}

// cutZoneName cuts off the short name of a zone, such as CET, after a date.
func cutZoneName(value string) (date, name string) {
	i := strings.LastIndexByte(value, ' ')
	if i < len("2006-01-02") || i == len(value)-1 || strings.Trim(value[i+1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" ||
		strings.HasSuffix(value, " AM") || strings.HasSuffix(value, " PM") {
		return value, ""
	}
	return value[:i], value[i+1:]
}

// inZone returns the instant at which clocks of the zone show wall, and a reason if
// there is not exactly one. If name is not empty, the zone must have that name then:
// such names are only unique within a zone.
func inZone(wall time.Time, zone *time.Location, name string) (t time.Time, reason string) {
	var found []time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(near).In(zone).Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		called, now := t.Zone()
		if name != "" && called != name {
			continue
		}
		if now == offset && (len(found) == 0 || !found[0].Equal(t)) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return found[0], ""
	case 0:
		if name != "" {
			return t, "clocks in this zone do not show " + name + " then; give it with an offset, such as Z or +01:00"
		}
		return t, "clocks in this zone skip that time; give it with a zone, such as Z or +01:00"
	}
	return t, "clocks in this zone show that time twice; give it with a zone, such as Z or +01:00"
}

// cutWeekday cuts off the name of a weekday before a date.
func cutWeekday(value string) (weekday, date string) {
	day, rest, found := strings.Cut(value, " ")
	if !found || len(day) < 3 || rest == "" || rest[0] < '0' || rest[0] > '9' {
		return "", value
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := d.String(); strings.EqualFold(day, name) || strings.EqualFold(day, name[:3]) {
			return name, rest
		}
	}
	return "", value
}

func checkWeekday(t time.Time, weekday string) string {
	if weekday != "" && t.Weekday().String() != weekday {
		return "that day is a " + t.Weekday().String() + ", not a " + weekday
	}
	return ""
}

// asDate normalizes a value that begins with a date: RFC 3339 allows a blank and
// lower-case letters where package time does not, and podman events prints the blank.
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

// timeReason returns why a value that looks like a date or duration is not valid.
func timeReason(bound Bound, value string) string {
	if len(value) >= len("2006-01-02") && allDigits(value[:4]) && value[4] == '-' {
		if _, err := time.Parse("2006-01-02", value[:10]); err != nil {
			return "there is no such date; " + timeHint(bound)
		}
	}
	return timeHint(bound)
}

// parseUnix parses seconds since the epoch with at most nine significant digits of
// fraction. ok is false if the value does not have that form.
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

// otherNumber returns what else a number without '@' may mean than Unix seconds, "" if
// only those make sense: they have nine or ten digits since 1973, and 0 is the epoch.
func otherNumber(value string) string {
	whole, _, _ := strings.Cut(value, ".")
	number := strings.TrimLeft(whole, "0")
	seconds := func(scale int) string {
		return "; of seconds give @" + number[:len(number)-scale] + "." + number[len(number)-scale:]
	}
	for _, form := range []struct{ digits, date string }{
		{"20060102150405", "2006-01-02 15:04:05"}, {"200601021504", "2006-01-02 15:04"}, {"20060102", "2006-01-02"}, {"200601", "2006-01-02"}, {"2006", "2006-01-02"},
	} {
		if t, err := time.Parse(form.digits, value); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return "a date has hyphens; give " + t.Format(form.date) + ", or @" + value + " for Unix seconds"
		}
	}
	switch n := len(number); {
	case n > 0 && n < 9:
		return "it may be seconds since 1970 or a duration without its unit; give @" + value + ", or such as " + value + "s"
	case n >= 12 && n <= 14:
		return "it looks like milliseconds" + seconds(3)
	case n >= 15 && n <= 17:
		return "it looks like microseconds" + seconds(6)
	case n >= 18 && n <= 20:
		return "it looks like nanoseconds" + seconds(9)
	}
	return ""
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
