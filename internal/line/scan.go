package line

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// MaxLine is the longest line that is looked at, in bytes.
const MaxLine = limits.Line

// Scan finds the members of a line in the form in which Podman writes it. It
// returns false for everything else, be it unusual or no event at all:
// Normalize knows.
func Scan(b []byte, f *Fields) bool {
	s := scanner{b: b, f: f}
	return s.scan()
}

// ErrLabels is returned with the line of an event that has more labels than are
// served: they are not in it.
var ErrLabels = errors.Errorf("the labels are left out: they are more than %d, or longer than %d bytes",
	limits.Labels, limits.LabelsLength)

// ScanWithoutLabels is Scan for a line with more labels than are served. It
// returns the line without them.
func ScanWithoutLabels(b []byte, f *Fields) (text []byte, ok bool) {
	s := scanner{b: b, f: f, cutting: true}
	if !s.scan() || s.labels.End == 0 {
		return nil, false
	}
	text = append(append(slices.Clone(b[:s.labels.Start]), "null"...), b[s.labels.End:]...)
	return text, Scan(text, f)
}

// scanner is the state of one Scan. A method that expects something returns
// false if it is not there in its plain form.
type scanner struct {
	b      []byte
	i      int
	f      *Fields
	seen   uint16 // bit n: member n was there
	normal bool   // the line is in AppendJSON's form: what is unusual in it is right nevertheless
	// cutting says that labels may be more than are served. Then labels is where
	// they are.
	cutting bool
	labels  Span
}

func (s *scanner) scan() bool {
	*s.f = Fields{}
	if len(s.b) > MaxLine {
		return false
	}
	s.space()
	if !s.byte('{') {
		return false
	}
	s.space()
	for {
		if !s.member() {
			return false
		}
		s.space()
		if s.byte(',') {
			s.space()
			continue
		}
		if !s.byte('}') {
			return false
		}
		break
	}
	s.space()
	const needed = 1<<TypeWord | 1<<StatusWord | 1<<TimeText
	return s.i == len(s.b) && s.seen&needed == needed
}

// space skips the white space that Podman does not write but JSON allows.
func (s *scanner) space() {
	if s.i < len(s.b) && s.b[s.i] <= ' ' {
		s.spaces()
	}
}

func (s *scanner) spaces() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) byte(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// member reads a name and its value.
func (s *scanner) member() bool {
	m, ok := s.known()
	if !ok {
		name, escaped, ok := s.string()
		if !ok || escaped {
			return false
		}
		s.space()
		if !s.byte(':') {
			return false
		}
		s.space()
		if m, ok = memberOf(s.b[name.Start:name.End]); !ok {
			return s.unknown(name)
		}
	}
	if s.seen>>m&1 != 0 {
		return false
	}
	s.seen |= 1 << m
	switch m {
	case ExitCode, HealthStreak:
		return s.number(m)
	case Attributes:
		return s.attributes()
	}
	span, escaped, ok := s.string()
	if !ok {
		return false
	}
	s.f.Spans[m] = span
	if escaped {
		s.f.Escaped |= 1 << m
	}
	text := s.b[span.Start:span.End]
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
		s.f.Time, ok = parseTime(text)
		if !ok && s.normal { // of a year that nanoseconds cannot express, which are clamped
			t, err := time.Parse(time.RFC3339, string(text))
			s.f.Time, ok = nanos.Of(t), err == nil
		}
		return ok
	}
	return true
}

// memberNames are the names as they stand in a line that Podman wrote, up to
// the value.
var memberNames = [numMembers]string{
	ExitCode: `"ContainerExitCode":`, ID: `"ID":`, Image: `"Image":`, Name: `"Name":`, Network: `"network":`,
	StatusWord: `"Status":`, TimeText: `"Time":`, TypeWord: `"Type":`, HealthStatus: `"health_status":`,
	HealthLog: `"health_log":`, HealthStreak: `"health_failing_streak":`, ErrorText: `"error":`,
	Inspect: `"ContainerInspectData":`, PodID: `"PodID":`, Attributes: `"Attributes":`,
}

// known reads the name of a member that stands there in Podman's form.
// Otherwise it reads nothing.
func (s *scanner) known() (Member, bool) {
	b := s.b[s.i:]
	if len(b) < len(`"ID":""`) {
		return 0, false
	}
	var m Member
	switch b[1] {
	case 'I':
		if m = ID; b[2] == 'm' {
			m = Image
		}
	case 'N':
		m = Name
	case 'S':
		m = StatusWord
	case 'T':
		if m = TimeText; b[2] == 'y' {
			m = TypeWord
		}
	case 'A':
		m = Attributes
	case 'P':
		m = PodID
	case 'n':
		m = Network
	case 'C':
		m = ExitCode
	default:
		return 0, false
	}
	name := memberNames[m]
	if len(b) < len(name) || string(b[:len(name)]) != name {
		return 0, false
	}
	s.i += len(name)
	s.space()
	return m, true
}

func memberOf(name []byte) (Member, bool) {
	for m, known := range memberNames {
		if known[1:len(known)-len(`":`)] == string(name) {
			return Member(m), true
		}
	}
	return 0, false
}

// unknown skips the value of a member that has no place in Fields.
func (s *scanner) unknown(name Span) bool {
	if events.IsMember(string(s.b[name.Start:name.End])) {
		return false
	}
	s.f.Extra = true
	// Strings and numbers such as those at the end of a line of a collected log.
	if s.i < len(s.b) && s.b[s.i] == '"' {
		_, _, ok := s.string()
		return ok
	}
	if end := s.i + digits(s.b[s.i:]); end > s.i && end < len(s.b) && s.b[end] == ',' && (s.b[s.i] != '0' || end == s.i+1) {
		s.i = end
		return true
	}
	d := json.NewDecoder(bytes.NewReader(s.b[s.i:]))
	var skipped json.RawMessage
	if d.Decode(&skipped) != nil {
		return false
	}
	s.i += int(d.InputOffset())
	return true
}

// digits returns how many digits the text begins with.
func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// number reads a whole number, of at most nine digits where it is not known to
// be one that an int can hold.
func (s *scanner) number(m Member) bool {
	start := s.i
	s.byte('-')
	first := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	digits := s.i - first
	if digits == 0 || digits > 9 && !s.normal || digits > 1 && s.b[first] == '0' {
		return false
	}
	s.f.Spans[m] = Span{uint32(start), uint32(s.i)}
	return true
}

// attributes reads null or a flat object of strings. null leaves no span.
func (s *scanner) attributes() bool {
	start := s.i
	if bytes.HasPrefix(s.b[s.i:], []byte("null")) {
		s.i += len("null")
		return true
	}
	if !s.byte('{') {
		return false
	}
	s.space()
	var names labelNames
	if !s.byte('}') {
		for {
			name, escaped, ok := s.string()
			if !ok || !names.add(s.b, name, escaped) {
				return false
			}
			s.space()
			if !s.byte(':') {
				return false
			}
			s.space()
			if _, _, ok := s.string(); !ok {
				return false
			}
			s.space()
			if s.byte('}') {
				break
			}
			if !s.byte(',') {
				return false
			}
			s.space()
		}
	}
	span := Span{uint32(start), uint32(s.i)}
	if names.n > limits.Labels || s.i-start > limits.LabelsLength {
		s.labels = span
		return s.cutting
	}
	s.f.Spans[Attributes] = span
	return !names.uncertain || names.differ(s.b[start:s.i])
}

// labelNames notices a name that comes twice, of which encoding/json takes the
// last.
type labelNames struct {
	n         int
	names     [64]Span
	uncertain bool // there are more, or some with escapes: differ has to be asked
}

// add returns false for a name that was there before.
func (l *labelNames) add(b []byte, name Span, escaped bool) bool {
	l.n++
	if escaped || l.n > len(l.names) {
		l.uncertain = true
		return true
	}
	text := b[name.Start:name.End]
	for _, other := range l.names[:l.n-1] {
		if other.End-other.Start == uint32(len(text)) && bytes.Equal(b[other.Start:other.End], text) {
			return false
		}
	}
	l.names[l.n-1] = name
	return true
}

// differ reports whether no two names of the object are the same once they are
// without escapes.
func (l *labelNames) differ(object []byte) bool {
	var decoded map[string]string
	return json.Unmarshal(object, &decoded) == nil && len(decoded) == l.n
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// string reads a string and returns what is between its quotes, and whether it
// has escapes. It refuses what encoding/json would change: invalid UTF-8, and
// escapes of surrogates and NUL.
func (s *scanner) string() (span Span, escaped, ok bool) {
	if !s.byte('"') {
		return span, false, false
	}
	b, i := s.b, s.i
	start := i
	for {
		// Eight bytes at a time: the first that is a quote, a backslash, a
		// control character or not ASCII.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			special := (x | (x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return span, false, false
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return Span{uint32(start), uint32(i)}, escaped, true
		case c == '\\':
			n := escapeLength(b[i:])
			if n == 0 {
				return span, false, false
			}
			escaped = true
			i += n
		case c < ' ':
			return span, false, false
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				return span, false, false
			}
			i += size
		default:
			i++
		}
	}
}

// escapeLength returns the length of the escape that b begins with, 0 if it is
// none that can be passed on as it is.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		var r rune
		for _, c := range b[2:6] {
			switch {
			case c >= '0' && c <= '9':
				r = r<<4 | rune(c-'0')
			case c >= 'a' && c <= 'f':
				r = r<<4 | rune(c-'a'+10)
			case c >= 'A' && c <= 'F':
				r = r<<4 | rune(c-'A'+10)
			default:
				return 0
			}
		}
		if r == 0 || r >= 0xd800 && r < 0xe000 {
			return 0
		}
		return 6
	}
	return 0
}
