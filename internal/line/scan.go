package line

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// MaxLine is the length of the longest line that is read, in bytes.
const MaxLine = limits.Line

// Scan finds the members of a line in the form in which Podman writes it. It returns
// false for any other line, whether it is unusual or not an event at all: Normalize
// decides which.
func Scan(b []byte, f *Fields) bool {
	s := scanner{Scanner: jsonscan.Scanner{Text: b}, f: f}
	return s.scan()
}

// ErrLabels is returned with the line of an event that has more labels than are served;
// the line is without them.
var ErrLabels = errors.Errorf("the labels are left out: they are more than %d, or longer than %d bytes",
	limits.Labels, limits.LabelsLength)

// ScanWithoutLabels is Scan for a line with more labels than are served. It
// returns the line without them.
func ScanWithoutLabels(b []byte, f *Fields) (text []byte, ok bool) {
	s := scanner{Scanner: jsonscan.Scanner{Text: b}, f: f, cutting: true}
	if !s.scan() || s.labels.End == 0 {
		return nil, false
	}
	text = append(append(slices.Clone(b[:s.labels.Start]), "null"...), b[s.labels.End:]...)
	return text, Scan(text, f)
}

// scanner is the state of one Scan. A method that expects something returns false if it
// is not there in its plain form.
type scanner struct {
	jsonscan.Scanner
	f      *Fields
	seen   uint16 // bit n: member n was found
	next   Member // the first member that Podman could write next
	normal bool   // the line is in AppendJSON's form: anything unusual in it is valid
	// cutting: labels may be more than are served. Then labels is their place.
	cutting bool
	labels  Span
}

func (s *scanner) scan() bool {
	*s.f = Fields{}
	if len(s.Text) > MaxLine {
		return false
	}
	s.Space()
	if !s.Byte('{') {
		return false
	}
	s.Space()
	for {
		if !s.member() {
			return false
		}
		s.Space()
		if s.Byte(',') {
			s.Space()
			continue
		}
		if !s.Byte('}') {
			return false
		}
		break
	}
	s.Space()
	const needed = 1<<TypeWord | 1<<StatusWord | 1<<TimeText
	return s.Pos == len(s.Text) && s.seen&needed == needed
}

// member reads a name and its value.
func (s *scanner) member() bool {
	var m Member
	if n := s.Name(scanNames, int(s.next)); n >= 0 {
		m = Member(n)
		s.Space()
	} else {
		name, escaped, ok := s.String()
		if !ok || escaped {
			return false
		}
		s.Space()
		if !s.Byte(':') {
			return false
		}
		s.Space()
		if m, ok = memberOf(s.Text[name.Start:name.End]); !ok {
			return s.unknown(name)
		}
	}
	if s.seen>>m&1 != 0 {
		return false
	}
	s.seen |= 1 << m
	s.next = m + 1
	switch m {
	case ExitCode, HealthStreak:
		return s.number(m)
	case Attributes:
		return s.attributes()
	}
	span, escaped, ok := s.String()
	if !ok {
		return false
	}
	s.f.Spans[m] = span
	if escaped {
		s.f.Escaped |= 1 << m
	}
	text := s.Text[span.Start:span.End]
	if escaped && (m == TypeWord || m == StatusWord) {
		text = []byte(jsonstring.Unescape(text))
	}
	switch m {
	case TypeWord:
		s.f.Type = filter.CodeOfType(text)
		return len(text) > 0
	case StatusWord:
		s.f.Status = filter.CodeOfStatus(text)
		return len(text) > 0
	case TimeText:
		s.f.Time, ok = nanos.Parse(text)
		if !ok && s.normal { // a year that nanoseconds cannot express: it is clamped
			t, err := time.Parse(time.RFC3339, string(text))
			s.f.Time, ok = nanos.Of(t), err == nil
		}
		return ok
	}
	return true
}

// memberNames are the names as Podman writes them, including what follows up to the
// value, and in its order.
var memberNames = [numMembers]string{
	ExitCode: `"ContainerExitCode":`, ID: `"ID":`, Image: `"Image":`, Name: `"Name":`, Network: `"network":`,
	StatusWord: `"Status":`, TimeText: `"Time":`, TypeWord: `"Type":`, HealthStatus: `"health_status":`,
	HealthLog: `"health_log":`, HealthStreak: `"health_failing_streak":`, ErrorText: `"error":`,
	Inspect: `"ContainerInspectData":`, PodID: `"PodID":`, Attributes: `"Attributes":`,
}

var scanNames = jsonscan.NewNames(memberNames[:]...)

func memberOf(name []byte) (Member, bool) {
	for m, known := range memberNames {
		if known[1:len(known)-len(`":`)] == string(name) {
			return Member(m), true
		}
	}
	return 0, false
}

// unknown skips the value of a member that has no place in Spans.
func (s *scanner) unknown(name Span) bool {
	if events.IsMember(string(s.Text[name.Start:name.End])) {
		return false
	}
	s.f.Extra = true
	// Strings and numbers, such as those at the end of a line of a collected log.
	if s.Pos < len(s.Text) && s.Text[s.Pos] == '"' {
		_, _, ok := s.String()
		return ok
	}
	from, _, ok := s.Number()
	if ok && s.Pos < len(s.Text) && s.Text[s.Pos] == ',' {
		return true
	}
	s.Pos = from
	d := json.NewDecoder(bytes.NewReader(s.Text[s.Pos:]))
	var skipped json.RawMessage
	if d.Decode(&skipped) != nil {
		return false
	}
	s.Pos += int(d.InputOffset())
	return true
}

// number reads a whole number: of at most nine digits, unless it is known to fit into
// an int.
func (s *scanner) number(m Member) bool {
	start, digits, ok := s.Number()
	if !ok || digits > 9 && !s.normal {
		return false
	}
	s.f.Spans[m] = Span{Start: uint32(start), End: uint32(s.Pos)}
	return true
}

// attributes reads null or a flat object of strings. null leaves the span empty.
func (s *scanner) attributes() bool {
	start := s.Pos
	if s.Word("null") {
		return true
	}
	if !s.Byte('{') {
		return false
	}
	s.Space()
	var names labelNames
	if !s.Byte('}') {
		for {
			name, escaped, ok := s.String()
			if !ok {
				return false
			}
			names.add(s.Text, name, escaped)
			s.Space()
			if !s.Byte(':') {
				return false
			}
			s.Space()
			if _, _, ok := s.String(); !ok {
				return false
			}
			s.Space()
			if s.Byte('}') {
				break
			}
			if !s.Byte(',') {
				return false
			}
			s.Space()
		}
	}
	span := Span{Start: uint32(start), End: uint32(s.Pos)}
	if names.n > limits.Labels || s.Pos-start > limits.LabelsLength {
		s.labels = span
		return s.cutting
	}
	s.f.Spans[Attributes] = span
	return names.differ(s.Text)
}

// labelNames detects a name that occurs twice, of which encoding/json takes the last.
type labelNames struct {
	n         int
	few       [64]Span // the first, which take no memory of their own
	more      []Span   // those after them, up to limits.Labels
	last      Span
	unordered bool // one is not greater than the one before, or has escapes
}

func (l *labelNames) add(b []byte, name Span, escaped bool) {
	l.unordered = l.unordered || escaped || l.n > 0 && bytes.Compare(textOf(b, l.last), textOf(b, name)) >= 0
	switch l.n++; {
	case l.n <= len(l.few):
		l.few[l.n-1] = name
	case l.n <= limits.Labels:
		l.more = append(l.more, name)
	}
	l.last = name
}

func textOf(b []byte, s Span) []byte { return b[s.Start:s.End] }

// differ reports whether no two names are the same once they are without escapes.
// encoding/json, and so Podman, writes them in order.
func (l *labelNames) differ(b []byte) bool {
	if !l.unordered {
		return true
	}
	all := append(slices.Clone(l.few[:min(l.n, len(l.few))]), l.more...)
	names := make([][]byte, len(all))
	for i, name := range all {
		if names[i] = textOf(b, name); bytes.IndexByte(names[i], '\\') >= 0 {
			names[i] = []byte(jsonstring.Unescape(names[i]))
		}
	}
	slices.SortFunc(names, bytes.Compare)
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i-1], names[i]) {
			return false
		}
	}
	return true
}
