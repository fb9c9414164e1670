// Package eventjson writes events as type Event of io.podman.events, the JSON form in
// which both interfaces send them: the replies of Varlink and the streams of D-Bus. It
// splices the parts of the store's line, and knows neither bus.
package eventjson

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// eventFields are the fields of Event that are sent as they are in the line. Strings
// are spliced in with their escapes.
var eventFields = [...]struct {
	member line.Member
	prefix string
	quote  bool
}{
	{line.ID, `,"id":"`, true},
	{line.Name, `,"name":"`, true},
	{line.Image, `,"image":"`, true},
	{line.PodID, `,"podId":"`, true},
	{line.Network, `,"network":"`, true},
	{line.ExitCode, `,"exitCode":`, false},
	{line.HealthStatus, `,"healthStatus":"`, true},
	{line.HealthLog, `,"healthLog":"`, true},
	{line.HealthStreak, `,"healthFailingStreak":`, false},
	{line.ErrorText, `,"error":"`, true},
	{line.Inspect, `,"containerInspectData":"`, true},
	{line.Attributes, `,"attributes":`, false},
}

// AppendEvent appends an event as type Event of the contract. It allocates only to grow
// the slice.
func AppendEvent(dst []byte, r *feed.Record) []byte {
	fields, text := &r.Fields, r.Line
	dst = append(dst, `{"cursor":`...)
	dst = AppendCursor(dst, r.Cursor)
	dst = append(dst, `,"time":"`...)
	ns := fields.Time
	if ns == math.MinInt64 || ns == math.MaxInt64 {
		dst = appendFarTime(dst, fields.String(text, line.TimeText))
	} else {
		if utc := fields.Raw(text, line.TimeText); fields.Escaped>>line.TimeText&1 == 0 && bytes.HasSuffix(utc, []byte{'Z'}) {
			dst = appendUTC(dst, utc)
		} else {
			dst = AppendTime(dst, time.Unix(0, ns))
		}
		dst = append(dst, `","timestampUSec":`...)
		dst = appendMicroseconds(dst, ns)
	}
	dst = append(dst, `,"type":"`...)
	dst = append(dst, fields.Type.Varlink()...)
	dst = append(dst, `","status":"`...)
	dst = append(dst, fields.Status.Varlink()...)
	dst = append(dst, '"')
	if fields.Type == 0 {
		dst = appendRaw(dst, `,"rawType":"`, fields.Raw(text, line.TypeWord), true)
	}
	if fields.Status == 0 {
		dst = appendRaw(dst, `,"rawStatus":"`, fields.Raw(text, line.StatusWord), true)
	}
	for i := range eventFields {
		f := &eventFields[i]
		raw := fields.Raw(text, f.member)
		if f.member == line.ExitCode {
			raw = r.ExitCode()
		}
		if len(raw) == 0 || f.member == line.HealthStreak && isZero(raw) || f.member == line.Attributes && isEmpty(raw) {
			continue
		}
		dst = appendRaw(dst, f.prefix, raw, f.quote)
	}
	if r.UID >= 0 {
		dst = append(dst, `,"uid":`...)
		dst = strconv.AppendInt(dst, r.UID, 10)
	}
	if r.Host != "" {
		dst = append(dst, `,"host":`...)
		dst = jsonstring.Append(dst, r.Host)
	}
	return append(dst, '}')
}

func appendRaw(dst []byte, prefix string, raw []byte, quote bool) []byte {
	dst = append(append(dst, prefix...), raw...)
	if quote {
		dst = append(dst, '"')
	}
	return dst
}

// isZero reports whether a number is 0, which counts as absent.
func isZero(raw []byte) bool { return string(raw) == "0" || string(raw) == "-0" }

// isEmpty reports whether an object has no members.
func isEmpty(object []byte) bool { return bytes.IndexByte(object, '"') < 0 }

// AppendCursor appends a cursor as a JSON string. It is printable ASCII.
func AppendCursor[C ~string | ~[]byte](dst []byte, cursor C) []byte {
	start := len(dst)
	dst = append(append(dst, '"'), cursor...)
	if text := dst[start+1:]; bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		return jsonstring.Append(dst[:start], string(cursor))
	}
	return append(dst, '"')
}

// AppendTime appends a time in the contract's form: RFC 3339 with nine fraction digits,
// in UTC.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	// Package time is fast only for this form; the fraction then replaces its Z.
	dst = t.AppendFormat(dst, time.RFC3339)
	dst = append(dst[:len(dst)-1], '.')
	dst = nanos.AppendFraction(dst, t.Nanosecond())
	return append(dst, 'Z')
}

// appendUTC is AppendTime for a time that is in UTC in the line.
func appendUTC(dst, text []byte) []byte {
	const seconds, nanoseconds = len("2006-01-02T15:04:05"), ".000000000Z"
	dst = append(dst, text[:seconds]...)
	fraction := text[seconds : len(text)-1]
	dst = append(dst, fraction...)
	return append(dst, nanoseconds[len(fraction):]...)
}

// appendFarTime appends a time that nanoseconds since the epoch cannot express,
// and its microseconds.
func appendFarTime(dst []byte, text string) []byte {
	t, _ := time.Parse(time.RFC3339, text)
	dst = AppendTime(dst, t)
	dst = append(dst, `","timestampUSec":`...)
	return strconv.AppendInt(dst, t.UnixMicro(), 10)
}

// appendMicroseconds appends nanoseconds in microseconds, rounded down.
func appendMicroseconds(dst []byte, ns int64) []byte {
	const unit, digits = int64(time.Microsecond), 3
	if ns >= unit {
		dst = nanos.Append(dst, ns)
		return dst[:len(dst)-digits]
	}
	micros := ns / unit
	if ns%unit < 0 {
		micros--
	}
	return strconv.AppendInt(dst, micros, 10)
}
