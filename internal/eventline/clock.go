package eventline

import (
	"math"
	"time"

	"github.com/eventsvc/eventsvc/internal/nanos"
)

// Clock prints times in a time zone. Consecutive events are mostly of the same day, so
// it keeps the date and the offset from UTC. It is not safe for concurrent use.
type Clock struct {
	zone *time.Location

	from, to int64 // Unix seconds: the offset holds from the first to before the second
	east     int64 // the offset, in seconds east of UTC
	regular  bool  // the offset is in whole minutes, and has a name
	human    string
	rfc3339  string // how the offset is spelled in each form

	day  int64 // since 1970-01-01 in the zone
	date []byte
}

// NewClock returns a clock for a zone.
func NewClock(zone *time.Location) *Clock { return &Clock{zone: zone, day: math.MinInt64} }

// Zone returns the zone of the clock.
func (c *Clock) Zone() *time.Location { return c.zone }

// The forms of a time: that of podman events, and that of JSON.
const (
	humanForm = "2006-01-02 15:04:05.999999999 -0700 MST"
	jsonForm  = time.RFC3339Nano
)

// appendHuman appends a time as podman events prints it.
func (c *Clock) appendHuman(dst []byte, t time.Time) []byte {
	if dst, ok := c.appendLocal(dst, t, ' '); ok {
		return append(dst, c.human...)
	}
	return t.In(c.zone).AppendFormat(dst, humanForm)
}

// appendRFC3339 appends a time as encoding/json writes it.
func (c *Clock) appendRFC3339(dst []byte, t time.Time) []byte {
	if dst, ok := c.appendLocal(dst, t, 'T'); ok {
		return append(dst, c.rfc3339...)
	}
	return t.In(c.zone).AppendFormat(dst, jsonForm)
}

// appendLocal appends date, separator and time of day. It returns false if package time
// has to do it.
func (c *Clock) appendLocal(dst []byte, t time.Time, separator byte) ([]byte, bool) {
	const day = 24 * 60 * 60
	seconds := t.Unix()
	if seconds < c.from || seconds >= c.to {
		c.enter(t)
	}
	if !c.regular {
		return dst, false
	}
	seconds += c.east
	n := seconds / day
	if seconds %= day; seconds < 0 {
		n, seconds = n-1, seconds+day
	}
	if n != c.day {
		c.day, c.date = n, time.Unix(n*day, 0).UTC().AppendFormat(c.date[:0], time.DateOnly)
	}
	if len(c.date) != len(time.DateOnly) || c.date[0] == '0' || c.date[0] == '-' {
		return dst, false // years with more or fewer than four digits
	}
	of := int(seconds)
	dst = append(append(dst, c.date...), separator)
	dst = append(nanos.AppendTwo(dst, of/3600), ':')
	dst = append(nanos.AppendTwo(dst, of/60%60), ':')
	return appendFraction(nanos.AppendTwo(dst, of%60), t.Nanosecond()), true
}

// enter looks up the offset at a time, and until when it applies.
func (c *Clock) enter(t time.Time) {
	t = t.In(c.zone)
	name, east := t.Zone()
	start, end := t.ZoneBounds()
	c.from, c.to = math.MinInt64, math.MaxInt64
	if !start.IsZero() {
		c.from = start.Unix()
	}
	if !end.IsZero() {
		c.to = end.Unix()
	}
	c.east, c.regular = int64(east), name != "" && east%60 == 0
	c.human, c.rfc3339 = t.Format(" -0700 MST"), t.Format("Z07:00")
}

// appendFraction appends the fraction of a second without trailing zeros.
func appendFraction(dst []byte, nanoseconds int) []byte {
	if nanoseconds == 0 {
		return dst
	}
	dst = nanos.AppendFraction(append(dst, '.'), nanoseconds)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
