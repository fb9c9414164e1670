package client

import (
	"iter"
	"unsafe"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// scan scans a reply in one pass and without copying: strings share the text's memory
// unless they have escapes. It expects valid JSON, and gives up on anything that the
// service never writes, such as a repeated member; the caller then uses encoding/json.
// For valid JSON both agree, which a fuzz test checks.
type scan struct {
	jsonscan.Scanner                 // of the bytes of text
	text             string          // must not change while results are in use
	odd              bool            // it gave up
	spans            []jsonscan.Span // of the labels of all events
}

func newScan(text string) scan {
	return scan{Scanner: jsonscan.Scanner{Text: unsafe.Slice(unsafe.StringData(text), len(text))}, text: text}
}

// maxDepth bounds the nesting of a skipped value; maxDigits keeps numbers within an
// int64.
const (
	maxDepth  = 64
	maxDigits = 18
)

func (s *scan) giveUp() {
	s.odd = true
	s.Pos = len(s.Text)
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scan) peek() byte {
	s.Space()
	if s.Pos == len(s.Text) {
		return 0
	}
	return s.Text[s.Pos]
}

// eat skips the byte if it is next.
func (s *scan) eat(c byte) bool {
	s.Space()
	return s.Byte(c)
}

// null skips null if it is next.
func (s *scan) null() bool {
	s.Space()
	return s.Word("null")
}

// atEnd reports whether only white space is left, and nothing was odd.
func (s *scan) atEnd() bool { return s.peek() == 0 && s.Pos == len(s.Text) && !s.odd }

// members yields the keys of an object, with the position before the value, which the
// loop body has to read. null is an object without members.
func (s *scan) members() iter.Seq[quoted] {
	return func(yield func(quoted) bool) {
		if s.null() {
			return
		}
		if !s.eat('{') {
			s.giveUp()
			return
		}
		if s.eat('}') {
			return
		}
		for !s.odd {
			if !yield(s.key()) {
				return
			}
			if !s.eat(',') {
				break
			}
		}
		if !s.odd && !s.eat('}') {
			s.giveUp()
		}
	}
}

// key skips the name of a member and its colon.
func (s *scan) key() quoted {
	key := s.quoted()
	if !s.eat(':') {
		s.giveUp()
	}
	return key
}

// elements yields once before each element of an array.
func (s *scan) elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !s.eat('[') {
			s.giveUp()
			return
		}
		if s.eat(']') {
			return
		}
		for i := 0; !s.odd; i++ {
			if !yield(i) {
				return
			}
			if !s.eat(',') {
				break
			}
		}
		if !s.odd && !s.eat(']') {
			s.giveUp()
		}
	}
}

// quoted is a string in the text, or any other value.
type quoted struct {
	jsonscan.Span // between its quotes
	escaped       bool
}

// plain returns the text of a string, from a copy of the reply.
func (q quoted) plain(c *copied) string {
	if q.End == 0 {
		return ""
	}
	text := c.text[q.Start-c.at : q.End-c.at]
	if q.escaped {
		return jsonstring.Unescape(unsafe.Slice(unsafe.StringData(text), len(text)))
	}
	return text
}

// quoted skips a string.
func (s *scan) quoted() quoted {
	s.Space()
	span, escaped, ok := s.String()
	if !ok {
		s.giveUp()
		return quoted{}
	}
	return quoted{span, escaped}
}

// plain returns the text of a string.
func (s *scan) plain(q quoted) string { return q.plain(&copied{text: s.text}) }

// strOrNull returns a string, "" for null.
func (s *scan) strOrNull() string {
	if s.null() {
		return ""
	}
	return s.plain(s.quoted())
}

// digits skips a number without fraction and exponent.
func (s *scan) digits() jsonscan.Span {
	s.Space()
	start, digits, ok := s.Number()
	fraction := false
	if s.Pos < len(s.Text) {
		switch s.Text[s.Pos] {
		case '.', 'e', 'E', '+':
			fraction = true
		}
	}
	if !ok || digits > maxDigits || fraction {
		s.giveUp()
		return jsonscan.Span{}
	}
	return jsonscan.Span{Start: uint32(start), End: uint32(s.Pos)}
}

// boolOrNull returns a bool, false for null.
func (s *scan) boolOrNull() bool {
	s.Space()
	switch {
	case s.Word("true"):
		return true
	case s.Word("false"), s.Word("null"):
	default:
		s.giveUp()
	}
	return false
}

// skip skips a value.
func (s *scan) skip() {
	if !s.Value(maxDepth) {
		s.giveUp()
	}
}
