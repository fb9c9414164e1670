package line

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// Values are the values a line is built from, as text. An empty one is an absent
// member. Bytes that clients cannot accept (invalid UTF-8, NUL) are replaced by U+FFFD.
type Values struct {
	ExitCode, HealthStreak            []byte // decimal; left out if it is not a number
	ID, Image, Name, Network          []byte
	Status, Type                      []byte
	Time                              []byte // RFC 3339
	HealthStatus, HealthLog           []byte
	ErrorText, Inspect, PodID, Labels []byte // Labels: a JSON object of strings
}

var errLong = errors.Errorf("escapes make a field more than half as long again, and more than %d bytes longer", limits.JournalEscapes)

// Build appends the line with these values, in the form in which Podman 5 writes it,
// and fills in its fields without parsing the line again. On an error, which says why
// the values are not an event, it appends nothing.
func Build(dst []byte, v *Values, f *Fields) ([]byte, error) {
	*f = Fields{}
	switch {
	case len(v.Type) == 0:
		return dst, events.ErrEventTypeBlank
	case len(v.Status) == 0:
		return dst, events.ErrEventStatusBlank
	case len(v.Time) == 0:
		return dst, events.ErrEventTimeBlank
	}
	stamp, ns, err := buildTime(v.Time)
	if err != nil {
		return dst, err
	}
	attributes, err := buildAttributes(v.Labels)
	if err != nil {
		return dst, err
	}
	b := builder{b: append(dst, '{'), start: len(dst), f: f}
	b.number(ExitCode, `"ContainerExitCode":`, v.ExitCode)
	b.text(ID, `"ID":"`, v.ID)
	b.text(Image, `"Image":"`, v.Image)
	b.text(Name, `"Name":"`, v.Name)
	b.text(Network, `"network":"`, v.Network)
	b.text(StatusWord, `"Status":"`, v.Status)
	b.text(TimeText, `"Time":"`, stamp)
	b.text(TypeWord, `"Type":"`, v.Type)
	b.text(HealthStatus, `"health_status":"`, v.HealthStatus)
	b.text(HealthLog, `"health_log":"`, v.HealthLog)
	b.number(HealthStreak, `"health_failing_streak":`, v.HealthStreak)
	b.text(ErrorText, `"error":"`, v.ErrorText)
	b.text(Inspect, `"ContainerInspectData":"`, v.Inspect)
	b.text(PodID, `"PodID":"`, v.PodID)
	b.b = append(b.b, `"Attributes":`...)
	if attributes == nil {
		b.b = append(b.b, "null"...)
	} else {
		from := len(b.b)
		b.b = append(b.b, attributes...)
		b.place(Attributes, from)
	}
	b.b = append(b.b, '}')
	if b.long {
		return dst, errLong
	}
	if len(b.b)-b.start > MaxLine {
		return dst, errors.Errorf("the event is longer than %d bytes", MaxLine)
	}
	f.Time, f.Type, f.Status = ns, filter.CodeOfType(v.Type), filter.CodeOfStatus(v.Status)
	return b.b, nil
}

// buildTime checks a time, and returns it as it is written in the line.
func buildTime(text []byte) (stamp []byte, ns int64, err error) {
	if ns, ok := nanos.Parse(text); ok && isShortest(text) {
		return text, ns, nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return nil, 0, err
	}
	if t.IsZero() {
		return nil, 0, events.ErrEventTimeBlank
	}
	stamp, err = t.AppendText(nil)
	return stamp, nanos.Of(t), err
}

// isShortest reports whether a valid time is spelled as Go spells it: no trailing zeros
// in its fraction, and Z for a zone without an offset.
func isShortest(text []byte) bool {
	end := len(text) - 1
	if text[end] != 'Z' {
		end -= len("+00:0")
		if zone := text[end+1:]; zone[0] == '0' && zone[1] == '0' && zone[3] == '0' && zone[4] == '0' {
			return false
		}
	}
	return end == len("2006-01-02T15:04:05") || text[end-1] != '0'
}

// buildAttributes checks the labels, and returns them as they are written in the line,
// nil for none.
func buildAttributes(labels []byte) ([]byte, error) {
	if len(labels) == 0 {
		return nil, nil
	}
	if len(labels) > limits.LabelsLength {
		return nil, ErrLabels
	}
	var f Fields
	s := scanner{Scanner: jsonscan.Scanner{Text: labels}, f: &f, cutting: true}
	if s.attributes() && s.Pos == len(labels) {
		switch {
		case s.labels.End > 0:
			return nil, ErrLabels
		case !f.Has(Attributes):
			return nil, nil
		}
		return labels, nil
	}
	if len(labels) > limits.OddLabels {
		return nil, errors.Errorf("they are not in Podman's form, and longer than %d bytes", limits.OddLabels)
	}
	var m map[string]string
	if err := json.Unmarshal(labels, &m); err != nil {
		return nil, errors.WithMessage(err, "cannot decode the labels")
	}
	if m == nil {
		return nil, nil
	}
	if len(m) > limits.Labels {
		return nil, ErrLabels
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value := m[key]
		delete(m, key)
		m[strings.ReplaceAll(key, "\x00", "\ufffd")] = strings.ReplaceAll(value, "\x00", "\ufffd")
	}
	return jsonstring.AppendMap(nil, m), nil
}

// builder is the state of one Build.
type builder struct {
	b     []byte
	start int // of the line, in b
	f     *Fields
	long  bool // escapes make a member too long
}

func (b *builder) place(m Member, from int) {
	b.f.Spans[m] = Span{Start: uint32(from - b.start), End: uint32(len(b.b) - b.start)}
}

// text appends a string member, with a comma after it. The name includes the opening
// quote of the value.
func (b *builder) text(m Member, name string, value []byte) {
	if len(value) == 0 || b.long {
		return
	}
	b.b = append(b.b, name...)
	from := len(b.b)
	if isPlain(value) {
		b.b = append(b.b, value...)
	} else {
		if bytes.IndexByte(value, 0) >= 0 {
			value = bytes.ReplaceAll(value, []byte{0}, []byte("\ufffd"))
		}
		var ok bool
		text := unsafe.String(unsafe.SliceData(value), len(value))
		if b.b, ok = jsonstring.AppendWithin(b.b[:from-1], text, max(limits.JournalEscapes, len(text)/2)); !ok {
			b.long = true
			return
		}
		b.b = b.b[:len(b.b)-1]
		if bytes.IndexByte(b.b[from:], '\\') >= 0 {
			b.f.Escaped |= 1 << m
		}
	}
	b.place(m, from)
	b.b = append(b.b, `",`...)
}

// isPlain reports whether encoding/json writes the string unchanged.
func isPlain(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// number appends a number member, with a comma after it.
func (b *builder) number(m Member, name string, value []byte) {
	if len(value) == 0 {
		return
	}
	n, err := strconv.Atoi(string(value))
	if err != nil || n == 0 && m == HealthStreak {
		return
	}
	b.b = append(b.b, name...)
	from := len(b.b)
	b.b = strconv.AppendInt(b.b, int64(n), 10)
	b.place(m, from)
	b.b = append(b.b, ',')
}

// ParseTime returns the time of an event as Fields have it, in nanoseconds since
// the epoch, and whether it is one.
func ParseTime(text []byte) (ns int64, ok bool) {
	_, ns, err := buildTime(text)
	return ns, err == nil
}
