package dbus

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/line"
)

// eventSignature is the type of an event: type, status, ID, name, microseconds
// since the epoch, details.
const eventSignature = "ssssta{sv}"

// The bounds of an event that is cut, in bytes. Twelve texts and the labels
// stay below limits.DBusEvent.
const (
	cutText   = 3 << 10
	cutLabel  = 1 << 10
	cutLabels = 14 << 10
)

// detailFields are the details that are strings in the line, in the order in
// which they are sent.
var detailFields = [...]struct {
	member line.Member
	key    string
}{
	{line.Image, "image"},
	{line.PodID, "pod_id"},
	{line.Network, "network"},
	{line.HealthStatus, "health_status"},
	{line.HealthLog, "health_log"},
	{line.ErrorText, "error"},
	{line.Inspect, "container_inspect_data"},
}

// eventEncoder encodes one event.
type eventEncoder struct {
	encoder
	most int      // bytes of a text
	cut  []string // the keys of what was cut
}

// appendEvent appends an event that is about as long as most allows; what is
// longer is cut, and named in the detail "truncated". The event begins at a
// multiple of eight. It returns where the length of the details is.
func (e *encoder) appendEvent(r *feed.Record, most int) (detailsAt int) {
	start := len(e.b)
	ee := eventEncoder{encoder: *e, most: noLimit}
	detailsAt = ee.event(r)
	if len(ee.b)-start > most {
		ee.b, ee.most = ee.b[:start], cutText
		detailsAt = ee.event(r)
	}
	e.b = ee.b
	return detailsAt
}

// event appends type, status, ID, name, time and details.
func (e *eventEncoder) event(r *feed.Record) (detailsAt int) {
	fields := &r.Fields
	if word := fields.Type.Type(); word != "" {
		e.string(string(word))
	} else {
		e.member(r, line.TypeWord, "type")
	}
	if word := fields.Status.Status(); word != "" {
		e.string(string(word))
	} else {
		e.member(r, line.StatusWord, "status")
	}
	e.member(r, line.ID, "id")
	e.member(r, line.Name, "name")
	e.uint64(microseconds(r))
	details := e.begin(8)
	e.details(r)
	e.end(details)
	return details.length
}

// member appends a string of the line.
func (e *eventEncoder) member(r *feed.Record, m line.Member, key string) {
	if e.text(r.Fields.Raw(r.Line, m), r.Fields.Escaped>>m&1 != 0, e.most) {
		e.cut = append(e.cut, key)
	}
}

// details appends the entries of the dictionary. There is always a cursor.
func (e *eventEncoder) details(r *feed.Record) {
	fields := &r.Fields
	e.entry("cursor", "s")
	e.text(r.Cursor, false, noLimit)
	for i := range detailFields {
		if f := &detailFields[i]; fields.Has(f.member) {
			e.entry(f.key, "s")
			e.member(r, f.member, f.key)
		}
	}
	if code, err := strconv.Atoi(string(r.ExitCode())); err == nil {
		// What has no place in 32 bits with a sign keeps its low ones, as Windows
		// shows an exit code, and is said to be cut.
		if int64(int32(code)) != int64(code) {
			e.cut = append(e.cut, "exit_code")
		}
		e.entry("exit_code", "i")
		e.uint32(uint32(code))
	}
	if streak := fields.Raw(r.Line, line.HealthStreak); len(streak) > 0 && string(streak) != "0" && string(streak) != "-0" {
		e.entry("health_failing_streak", "s")
		e.text(streak, false, noLimit)
	}
	if labels := fields.Raw(r.Line, line.Attributes); hasLabels(labels) {
		e.entry("attributes", "a{ss}")
		e.labels(labels)
	}
	if r.UID >= 0 && r.UID <= math.MaxUint32 {
		e.entry("uid", "u")
		e.uint32(uint32(r.UID))
	}
	if r.Host != "" {
		e.entry("host", "s")
		e.string(cleanText(r.Host))
	}
	if len(e.cut) > 0 {
		e.entry("truncated", "as")
		e.strings(e.cut)
	}
}

// labels appends a JSON object of strings as a dictionary. Where texts are cut,
// values are, labels with a long name are left out, and so are those beyond a
// certain size.
func (e *eventEncoder) labels(object []byte) {
	mostOne, mostAll := noLimit, noLimit
	if e.most != noLimit {
		mostOne, mostAll = cutLabel, cutLabels
	}
	cut := false
	a := e.begin(8)
	for {
		name, rest, ok := nextString(object)
		if !ok {
			break
		}
		value, rest, ok := nextString(rest)
		if !ok {
			break
		}
		object = rest
		if len(e.b)-a.start > mostAll {
			cut = true
			break
		}
		before := len(e.b)
		e.align(8)
		if e.text(name.raw, name.escaped, mostOne) {
			e.b, cut = e.b[:before], true
			continue
		}
		cut = e.text(value.raw, value.escaped, mostOne) || cut
	}
	e.end(a)
	if cut {
		e.cut = append(e.cut, "attributes")
	}
}

// jsonString is a string as it stands in a line, without its quotes.
type jsonString struct {
	raw     []byte
	escaped bool
}

// nextString finds the next string in JSON that is known to be valid.
func nextString(b []byte) (s jsonString, rest []byte, ok bool) {
	start := 0
	for start < len(b) && b[start] != '"' {
		start++
	}
	for i := start + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			s.escaped = true
			i++
		case '"':
			s.raw = b[start+1 : i]
			return s, b[i+1:], true
		}
	}
	return s, nil, false
}

// hasLabels reports whether a JSON object of strings has any.
func hasLabels(object []byte) bool {
	_, _, ok := nextString(object)
	return ok
}

// microseconds returns the time of an event since the epoch; 0 for times in
// front of it, which a D-Bus time stamp cannot express.
func microseconds(r *feed.Record) uint64 {
	ns := r.Fields.Time
	since := ns / int64(time.Microsecond)
	if ns == math.MinInt64 || ns == math.MaxInt64 {
		t, _ := time.Parse(time.RFC3339, r.Fields.String(r.Line, line.TimeText))
		since = t.UnixMicro()
	}
	return uint64(max(0, since))
}

// A frame of the feed is what all signals for one event have in common: its
// size and the place of the length of the details, as numbers, and the body.
const framePrefix = 8

// appendFrame is the feed.Encoder of signals.
func appendFrame(frame []byte, r *feed.Record) []byte {
	start := len(frame)
	e := newEncoder(append(frame, make([]byte, framePrefix)...))
	detailsAt := e.appendEvent(r, limits.DBusEvent) - e.base
	binary.LittleEndian.PutUint32(e.b[start:], uint32(e.size()))
	binary.LittleEndian.PutUint32(e.b[start+4:], uint32(detailsAt))
	return e.b
}

// nextFrame cuts the first frame off frames that lie after each other.
func nextFrame(frames []byte) (body []byte, detailsAt int, rest []byte) {
	size := framePrefix + int(binary.LittleEndian.Uint32(frames))
	return frames[framePrefix:size], int(binary.LittleEndian.Uint32(frames[4:])), frames[size:]
}
