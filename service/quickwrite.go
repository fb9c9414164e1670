package service

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/bits"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/varlink/go/varlink/idl"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// readWriteEvent reads a call of WriteEvent as programs write it, in one pass
// over the frame, and makes its event. Whatever is unusual about a call it
// leaves, by returning false, to parseRequest, refuse and newEvent, which know
// what is right, and how to say what is wrong. It takes only what they take, and
// makes the same event of it: a fuzz test holds the two against each other.
// Whether the caller may write is not its business. The event lies in the memory
// that it is given.
func readWriteEvent(frame []byte, now time.Time, e *events.Event, m *eventMemory) bool {
	const longest = limits.Event/maxEscape - 1024 // of which any line is short enough
	if len(frame) >= longest || !bytes.Contains(frame, writeEventName) || !utf8.Valid(frame) {
		return false
	}
	q := quickReader{b: frame, m: m}
	var seen uint16
	for name, more := q.first(); more; name, more = q.next() {
		switch name {
		case memberMethod:
			q.once(&seen, 0)
			q.bad = q.bad || q.string() != writeEventMethod
		case memberParameters:
			q.once(&seen, 1)
			q.parameters(now, e)
		default:
			q.bad = true
		}
	}
	const needed = 1<<0 | 1<<1
	return !q.bad && seen == needed && skipSpace(frame, q.i) == len(frame)
}

// writeEventName is in every call of WriteEvent, and in hardly any other.
var writeEventName = []byte(writeEventMethod)

// quickReader is the state of readWriteEvent. Once it is bad it reads no
// further.
type quickReader struct {
	b    []byte
	m    *eventMemory
	text string // the same as b in m, of which the strings of the event are parts
	i    int
	bad  bool
}

// eventMemory is memory for events that nobody keeps, used again and again: half
// of what a call would take otherwise.
type eventMemory struct {
	text []byte
	maps []map[string]string // for attributes; the first of them are used
	used int
}

// What of an eventMemory is kept for the next events.
const (
	maxKeptText   = 128 << 10 // bytes
	maxKeptLabels = 32        // in a map
)

// hold returns the text as a string that is valid until clear is called.
func (m *eventMemory) hold(text []byte) string {
	from := len(m.text)
	m.text = append(m.text, text...)
	return unsafe.String(unsafe.SliceData(m.text[from:]), len(text))
}

// labels returns an empty map that is valid until clear is called.
func (m *eventMemory) labels() map[string]string {
	if m.used == len(m.maps) {
		m.maps = append(m.maps, make(map[string]string))
	}
	m.used++
	return m.maps[m.used-1]
}

// clear gives all of it up.
func (m *eventMemory) clear() {
	for i, labels := range m.maps[:m.used] {
		if len(labels) > maxKeptLabels {
			m.maps[i] = make(map[string]string)
		} else {
			clear(labels)
		}
	}
	m.used = 0
	if m.text = m.text[:0]; cap(m.text) > maxKeptText {
		m.text = nil
	}
}

func (q *quickReader) parameters(now time.Time, e *events.Event) {
	var seen uint16
	for name, more := q.first(); more; name, more = q.next() {
		q.once(&seen, 0)
		if q.bad = q.bad || name != "event"; !q.bad {
			q.event(now, e)
		}
	}
	q.bad = q.bad || seen == 0
}

// event reads an object of type NewEvent.
func (q *quickReader) event(now time.Time, e *events.Event) {
	e.Time = now
	words := quickWords()
	var seen uint16
	for name, more := q.first(); more; name, more = q.next() {
		switch name {
		case "type":
			q.once(&seen, 0)
			e.Type = words.types[q.string()]
		case "status":
			q.once(&seen, 1)
			e.Status = words.statuses[q.string()]
		case "time":
			q.once(&seen, 2)
			var err error
			e.Time, err = eventTime(q.string(), now)
			q.bad = q.bad || err != nil
		case "id":
			q.once(&seen, 3)
			e.ID = q.string()
		case "name":
			q.once(&seen, 4)
			e.Name = q.string()
		case "image":
			q.once(&seen, 5)
			e.Image = q.string()
		case "podId":
			q.once(&seen, 6)
			e.PodID = q.string()
		case "network":
			q.once(&seen, 7)
			e.Network = q.string()
		case "exitCode":
			q.once(&seen, 8)
			e.ContainerExitCode = new(q.number(math.MaxUint8))
		case "healthStatus":
			q.once(&seen, 9)
			e.HealthStatus = q.string()
		case "healthLog":
			q.once(&seen, 10)
			e.HealthLog = q.string()
		case "healthFailingStreak":
			q.once(&seen, 11)
			e.HealthFailingStreak = q.number(maxStreak)
		case "error":
			q.once(&seen, 12)
			e.Error = q.string()
		case "attributes":
			q.once(&seen, 13)
			e.Attributes = q.attributes()
		default:
			q.bad = true
		}
	}
	q.bad = q.bad || e.Type == "" || e.Status == ""
}

func (q *quickReader) attributes() map[string]string {
	var m map[string]string
	for key, more := q.first(); more; key, more = q.next() {
		if m == nil {
			m = q.m.labels()
		}
		_, twice := m[key]
		q.bad = q.bad || twice || key == ""
		m[key] = q.string()
	}
	return m
}

// once notes that a member was there, which it must not have been before.
func (q *quickReader) once(seen *uint16, bit uint) {
	q.bad = q.bad || *seen>>bit&1 != 0
	*seen |= 1 << bit
}

// first opens an object and returns the name of its first member. more is false
// if it has none.
func (q *quickReader) first() (name string, more bool) {
	if !q.take('{') {
		q.bad = true
		return "", false
	}
	if q.take('}') {
		return "", false
	}
	return q.name()
}

// next returns the name of the member behind the last. more is false at the end
// of the object.
func (q *quickReader) next() (name string, more bool) {
	switch {
	case q.bad || q.take('}'):
		return "", false
	case !q.take(','):
		q.bad = true
		return "", false
	}
	return q.name()
}

func (q *quickReader) name() (name string, more bool) {
	name = q.string()
	q.bad = q.bad || !q.take(':')
	return name, !q.bad
}

// take reads a character, behind white space, if it is there.
func (q *quickReader) take(c byte) bool {
	if q.i < len(q.b) && q.b[q.i] <= ' ' {
		q.i = skipSpace(q.b, q.i)
	}
	if q.bad || q.i >= len(q.b) || q.b[q.i] != c {
		return false
	}
	q.i++
	return true
}

// number reads a whole number from 0 to most.
func (q *quickReader) number(most int) int {
	q.i = skipSpace(q.b, q.i)
	start, n := q.i, 0
	for q.i < len(q.b) && q.b[q.i] >= '0' && q.b[q.i] <= '9' && n <= most {
		n = 10*n + int(q.b[q.i]-'0')
		q.i++
	}
	q.bad = q.bad || q.i == start || n > most || q.b[start] == '0' && q.i > start+1
	return n
}

// string reads a string.
func (q *quickReader) string() string {
	if !q.take('"') {
		q.bad = true
		return ""
	}
	start := q.i
	end := endOfPlain(q.b, start)
	if end < len(q.b) && q.b[end] == '"' {
		q.i = end + 1
		if q.text == "" {
			q.text = q.m.hold(q.b)
		}
		return q.text[start:end]
	}
	return q.escaped(start, end)
}

// escaped reads a string of which what is before end is plain.
func (q *quickReader) escaped(start, end int) string {
	for end+1 < len(q.b) && q.b[end] == '\\' {
		end = endOfPlain(q.b, end+2)
	}
	var s string
	if end >= len(q.b) || q.b[end] != '"' || json.Unmarshal(q.b[start-1:end+1], &s) != nil || strings.IndexByte(s, 0) >= 0 {
		q.bad = true
		return ""
	}
	q.i = end + 1
	return s
}

// endOfPlain returns the index, at or behind i, of the first quote, backslash or
// control character, or at least the length of the text. It looks at eight bytes
// at a time.
func endOfPlain(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		special := ((x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

type wordsOfEvents struct {
	types    map[string]events.Type
	statuses map[string]events.Status
}

// quickWords are the words for types and statuses that may be written.
var quickWords = sync.OnceValue(func() *wordsOfEvents {
	w := &wordsOfEvents{make(map[string]events.Type), make(map[string]events.Status)}
	parsed, err := idl.New(iopodmanevents.VarlinkNew(nil).VarlinkGetDescription())
	if err != nil {
		return w
	}
	for _, alias := range parsed.Aliases {
		for _, field := range alias.Type.Fields {
			switch alias.Name {
			case "EventType":
				if t, err := events.StringToType(field.Name); err == nil {
					w.types[field.Name] = t
				}
			case "EventStatus":
				if s, err := events.StringToStatus(field.Name); err == nil {
					w.statuses[field.Name] = s
				}
			}
		}
	}
	return w
})
