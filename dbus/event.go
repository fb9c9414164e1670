package dbus

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/line"
)

// eventSignature is the type of an event: type, status, ID, name, microseconds
// since the epoch, details.
const eventSignature = "ssssta{sv}"

// The bounds of a truncated event, in bytes. Twelve texts and the labels stay below
// limits.DBusEvent.
const (
	cutText   = 3 << 10
	cutLabel  = 1 << 10
	cutLabels = 14 << 10
)

// detailFields are the details that are strings in the line, in the order in which they
// are sent.
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
	dbuswire.Encoder
	most int      // bytes of a text
	cut  []string // the keys of the details that were truncated
}

// appendEvent appends an event that is about as long as most allows. Longer texts are
// truncated, and named in the detail "truncated". The event begins at a multiple of
// eight. It returns the offset of the length of the details.
func appendEvent(e *dbuswire.Encoder, r *feed.Record, most int) (detailsAt int) {
	start := len(e.Buf)
	ee := eventEncoder{Encoder: *e, most: noLimit}
	detailsAt = ee.event(r)
	if len(ee.Buf)-start > most {
		ee.Buf, ee.most = ee.Buf[:start], cutText
		detailsAt = ee.event(r)
	}
	e.Buf = ee.Buf
	return detailsAt
}

// event appends type, status, ID, name, time and details.
func (e *eventEncoder) event(r *feed.Record) (detailsAt int) {
	fields := &r.Fields
	if word := fields.Type.String(); word != "" {
		e.Text(word)
	} else {
		e.member(r, line.TypeWord, "type")
	}
	if word := fields.Status.String(); word != "" {
		e.Text(word)
	} else {
		e.member(r, line.StatusWord, "status")
	}
	e.member(r, line.ID, "id")
	e.member(r, line.Name, "name")
	e.Uint64(microseconds(r))
	details := e.Begin(8)
	e.details(r)
	e.End(details)
	return details.LengthAt
}

// member appends a string of the line.
func (e *eventEncoder) member(r *feed.Record, m line.Member, key string) {
	if e.text(r.Fields.Raw(r.Line, m), r.Fields.Escaped>>m&1 != 0, e.most) {
		e.cut = append(e.cut, key)
	}
}

// details appends the entries of the dictionary. A cursor is always among them.
func (e *eventEncoder) details(r *feed.Record) {
	fields := &r.Fields
	e.Entry("cursor", "s")
	e.text(r.Cursor, false, noLimit)
	for i := range detailFields {
		if f := &detailFields[i]; fields.Has(f.member) {
			e.Entry(f.key, "s")
			e.member(r, f.member, f.key)
		}
	}
	if code, err := strconv.Atoi(string(r.ExitCode())); err == nil {
		// A code that does not fit into 32 bits with a sign keeps its low ones, as
		// Windows shows an exit code, and is listed as truncated.
		if int64(int32(code)) != int64(code) {
			e.cut = append(e.cut, "exit_code")
		}
		e.Entry("exit_code", "i")
		e.Uint32(uint32(code))
	}
	if streak := fields.Raw(r.Line, line.HealthStreak); len(streak) > 0 && string(streak) != "0" && string(streak) != "-0" {
		e.Entry("health_failing_streak", "s")
		e.text(streak, false, noLimit)
	}
	if labels := fields.Raw(r.Line, line.Attributes); bytes.IndexByte(labels, '"') >= 0 {
		e.Entry("attributes", "a{ss}")
		e.labels(labels)
	}
	if r.UID >= 0 && r.UID <= math.MaxUint32 {
		e.Entry("uid", "u")
		e.Uint32(uint32(r.UID))
	}
	if r.Host != "" {
		e.Entry("host", "s")
		e.Text(dbuswire.CleanText(r.Host))
	}
	if len(e.cut) > 0 {
		e.Entry("truncated", "as")
		e.Texts(e.cut)
	}
}

// labels appends a JSON object of strings as a dictionary. Where texts are truncated,
// so are the values; labels with a long name, and those beyond a certain size, are left
// out.
func (e *eventEncoder) labels(object []byte) {
	mostOne, mostAll := noLimit, noLimit
	if e.most != noLimit {
		mostOne, mostAll = cutLabel, cutLabels
	}
	cut := false
	a := e.Begin(8)
	for name, rest, ok := jsonscan.CutString(object); ok; name, rest, ok = jsonscan.CutString(rest) {
		if len(e.Buf)-a.Start > mostAll {
			cut = true
			break
		}
		var value []byte
		if value, rest, ok = jsonscan.CutString(rest); !ok {
			break
		}
		before := len(e.Buf)
		e.Align(8)
		if e.text(name, isEscaped(name), mostOne) {
			e.Buf, cut = e.Buf[:before], true
			continue
		}
		cut = e.text(value, isEscaped(value), mostOne) || cut
	}
	e.End(a)
	if cut {
		e.cut = append(e.cut, "attributes")
	}
}

// isEscaped reports whether a string as it is in a line has escapes.
func isEscaped(raw []byte) bool { return bytes.IndexByte(raw, '\\') >= 0 }

// microseconds returns the time of an event since the epoch; 0 for earlier times, which
// a D-Bus timestamp cannot express.
func microseconds(r *feed.Record) uint64 {
	ns := r.Fields.Time
	since := ns / int64(time.Microsecond)
	if ns == math.MinInt64 || ns == math.MaxInt64 {
		t, _ := time.Parse(time.RFC3339, r.Fields.String(r.Line, line.TimeText))
		since = t.UnixMicro()
	}
	return uint64(max(0, since))
}

// A frame of the feed is what the signals for an event have in common: its size and the
// offset of the length of the details, as numbers, and the body.
const framePrefix = 8

// appendFrame is the feed.Encoder of signals.
func appendFrame(frame []byte, r *feed.Record) []byte {
	start := len(frame)
	e := dbuswire.NewEncoder(append(frame, make([]byte, framePrefix)...))
	detailsAt := appendEvent(&e, r, limits.DBusEvent) - start - framePrefix
	binary.LittleEndian.PutUint32(e.Buf[start:], uint32(e.Size()))
	binary.LittleEndian.PutUint32(e.Buf[start+4:], uint32(detailsAt))
	return e.Buf
}

// nextFrame cuts off the first of consecutive frames.
func nextFrame(frames []byte) (body []byte, detailsAt int, rest []byte) {
	size := framePrefix + int(binary.LittleEndian.Uint32(frames))
	return frames[framePrefix:size], int(binary.LittleEndian.Uint32(frames[4:])), frames[size:]
}
