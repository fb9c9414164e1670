// Package line locates the members in a line of Podman's event log without making an
// Event of it, and reads the type, status and time as numbers.
//
// Scan reads lines in the form in which every Podman writes them, at the speed of
// memory. Anything unusual is left to Normalize, which uses encoding/json as Podman's
// own reader does. So a line is an event here exactly if encoding/json says so; a fuzz
// test compares the two.
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
)

// Member is a member of the line that has a place in Fields.Spans.
type Member uint8

// The members that Podman writes.
const (
	ExitCode Member = iota
	ID
	Image
	Name
	Network
	StatusWord
	TimeText
	TypeWord
	HealthStatus
	HealthLog
	HealthStreak
	ErrorText
	Inspect
	PodID
	Attributes
	numMembers
)

// Span is a part of a line: of a string, the part between the quotes, still escaped; of
// a number or an object, all of it. An empty span is an absent or empty member.
type Span = jsonscan.Span

// Fields are the places of the members in a line, and the values that decide most
// filters.
type Fields struct {
	Time    int64 // nanoseconds since the epoch
	Type    filter.TypeCode
	Status  filter.StatusCode
	Extra   bool   // there are members without a place in Spans
	Escaped uint16 // bit n: the string of member n has escapes
	Spans   [numMembers]Span
}

// Normalize reads a line that Scan does not accept, as encoding/json reads it, and
// returns it in the form that Scan accepts, with bytes that clients cannot accept
// (invalid UTF-8, NUL) replaced by U+FFFD. The error says why the line is not an event.
// With ErrLabels, the line is returned without its labels.
func Normalize(b []byte, f *Fields) ([]byte, error) {
	if text, ok := ScanWithoutLabels(b, f); ok {
		return text, ErrLabels
	}
	if len(b) > limits.OddLine {
		return nil, errors.Errorf("it is not in Podman's form, and longer than %d bytes", limits.OddLine)
	}
	if strings := bytes.Count(b, []byte{'"'}) / 2; strings > 4*limits.Labels {
		return nil, errors.Errorf("it is not in Podman's form, and has more than %d strings", 4*limits.Labels)
	}
	var e events.Event
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	e.Extra = nil
	dropNUL(&e)
	var cut error
	for {
		normal, err := e.AppendJSON(nil)
		if err != nil {
			return nil, err
		}
		s := scanner{Scanner: jsonscan.Scanner{Text: normal}, f: f, normal: true, cutting: true}
		switch {
		case !s.scan():
			return nil, errors.Errorf("cannot read back the line %.100q", normal)
		case s.labels.End == 0:
			return normal, cut
		}
		e.Attributes, cut = nil, ErrLabels
	}
}

// dropNUL replaces NUL, which JSON can hold but the strings of the buses cannot.
func dropNUL(e *events.Event) {
	clean := func(s string) string { return strings.ReplaceAll(s, "\x00", "\ufffd") }
	for _, s := range []*string{
		&e.ID, &e.Image, &e.Name, &e.Network, &e.HealthStatus, &e.HealthLog, &e.Error,
		&e.ContainerInspectData, &e.PodID, (*string)(&e.Type), (*string)(&e.Status),
	} {
		*s = clean(*s)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Attributes)) {
		value := e.Attributes[key]
		delete(e.Attributes, key)
		e.Attributes[clean(key)] = clean(value)
	}
}

// Raw returns the text of a member as it is in the line, still escaped.
func (f *Fields) Raw(b []byte, m Member) []byte {
	s := f.Spans[m]
	return b[s.Start:s.End]
}

// Has reports whether the member is there and not empty.
func (f *Fields) Has(m Member) bool { return f.Spans[m].End != f.Spans[m].Start }

// shared returns the text of a string member, unescaped. It shares the line's memory
// where it can.
func (f *Fields) shared(b []byte, m Member) string {
	raw := f.Raw(b, m)
	if len(raw) == 0 {
		return ""
	}
	if f.Escaped>>m&1 != 0 {
		return jsonstring.Unescape(raw)
	}
	return unsafe.String(&raw[0], len(raw))
}

// String returns the text of a string member, unescaped.
func (f *Fields) String(b []byte, m Member) string { return strings.Clone(f.shared(b, m)) }

// Int returns the value of a number.
func (f *Fields) Int(b []byte, m Member) int {
	n, _ := strconv.Atoi(string(f.Raw(b, m)))
	return n
}

// View fills in the fields that filters read, except user and host. It shares the
// line's memory.
func (f *Fields) View(b []byte, v *filter.View) {
	*v = filter.View{
		TypeCode: f.Type, StatusCode: f.Status, UID: -1,
		ID: f.shared(b, ID), Name: f.shared(b, Name), Image: f.shared(b, Image), Network: f.shared(b, Network),
		Labels: filter.Labels{JSON: f.Raw(b, Attributes)}, Health: f.shared(b, HealthStatus),
	}
	if f.Has(ExitCode) {
		v.ExitCode, v.HasExitCode = int64(f.Int(b, ExitCode)), true
	}
	if v.Type = f.Type.String(); f.Type == 0 {
		v.Type = f.shared(b, TypeWord)
	}
	if v.Status = f.Status.String(); f.Status == 0 {
		v.Status = f.shared(b, StatusWord)
	}
}

// When returns the time of the event.
func (f *Fields) When(b []byte) time.Time {
	t, _ := time.Parse(time.RFC3339, f.shared(b, TimeText))
	return t
}

// Event decodes the line.
func (f *Fields) Event(b []byte) events.Event {
	if f.Extra {
		var e events.Event
		if json.Unmarshal(b, &e) == nil {
			return e
		}
	}
	e := events.Event{
		ID: f.String(b, ID), Image: f.String(b, Image), Name: f.String(b, Name), Network: f.String(b, Network),
		Status: events.Status(f.String(b, StatusWord)), Type: events.Type(f.String(b, TypeWord)),
		HealthStatus: f.String(b, HealthStatus), HealthLog: f.String(b, HealthLog),
		HealthFailingStreak: f.Int(b, HealthStreak), Error: f.String(b, ErrorText),
		Details: events.Details{ContainerInspectData: f.String(b, Inspect), PodID: f.String(b, PodID)},
	}
	e.Time = f.When(b)
	if f.Has(ExitCode) {
		code := f.Int(b, ExitCode)
		e.ContainerExitCode = &code
	}
	if f.Has(Attributes) {
		_ = json.Unmarshal(f.Raw(b, Attributes), &e.Attributes)
	}
	return e
}
