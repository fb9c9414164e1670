package client

import (
	"iter"
	"strconv"
	"strings"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// scan goes through JSON text that is valid UTF-8, in one pass and without
// copying: strings share the memory of the text unless they have escapes. It
// trusts the text to be JSON, and gives up on whatever the service never
// writes, such as a member given twice; the caller then asks encoding/json,
// whose answer counts. For valid JSON both agree, which a fuzz test holds.
type scan struct {
	text string
	pos  int
	odd  bool // gave up
}

// maxDepth bounds the nesting of a value that is skipped.
const maxDepth = 64

func (s *scan) giveUp() {
	s.odd = true
	s.pos = len(s.text)
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scan) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// eat goes after the byte if it comes next.
func (s *scan) eat(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// null skips null if it comes next.
func (s *scan) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return true
}

func (s *scan) literal(word string) {
	if !strings.HasPrefix(s.text[s.pos:], word) {
		s.giveUp()
		return
	}
	s.pos += len(word)
}

// atEnd reports whether nothing but white space is left, and nothing was odd.
func (s *scan) atEnd() bool { return s.peek() == 0 && s.pos == len(s.text) && !s.odd }

// members yields the keys of an object, with the position before the
// value, which the loop has to read. null is an object without members.
func (s *scan) members() iter.Seq[string] {
	return func(yield func(string) bool) {
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
			key := s.str()
			if !s.eat(':') {
				s.giveUp()
				return
			}
			if !yield(key) {
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

// str returns a string.
func (s *scan) str() string {
	if !s.eat('"') {
		s.giveUp()
		return ""
	}
	rest := s.text[s.pos:]
	length := strings.IndexByte(rest, '"')
	if length < 0 {
		s.giveUp()
		return ""
	}
	if escape := strings.IndexByte(rest[:length], '\\'); escape >= 0 {
		return s.escaped(s.pos, s.pos+escape)
	}
	s.pos += length + 1
	return rest[:length]
}

// escaped returns a string whose first escape is at the given place.
func (s *scan) escaped(start, i int) string {
	for ; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			text, ok := jsonstring.Unescaped(s.text[start:i])
			if !ok {
				s.giveUp()
				return ""
			}
			s.pos = i + 1
			return text
		}
	}
	s.giveUp()
	return ""
}

// strOrNull returns a string, "" for null.
func (s *scan) strOrNull() string {
	if s.null() {
		return ""
	}
	return s.str()
}

// integer returns a number without fraction and exponent.
func (s *scan) integer() int64 {
	s.peek()
	start := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] >= '0' && s.text[s.pos] <= '9' || s.text[s.pos] == '-') {
		s.pos++
	}
	n, err := strconv.ParseInt(s.text[start:s.pos], 10, 64)
	if err != nil || s.pos < len(s.text) && strings.IndexByte(".eE+", s.text[s.pos]) >= 0 {
		s.giveUp()
	}
	return n
}

// boolOrNull returns a bool, false for null.
func (s *scan) boolOrNull() bool {
	switch s.peek() {
	case 't':
		s.literal("true")
		return true
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.giveUp()
	}
	return false
}

// skip goes after a value.
func (s *scan) skip() { s.skipDepth(0) }

func (s *scan) skipDepth(depth int) {
	if depth > maxDepth {
		s.giveUp()
		return
	}
	switch s.peek() {
	case '{':
		for range s.members() {
			s.skipDepth(depth + 1)
		}
	case '[':
		for range s.elements() {
			s.skipDepth(depth + 1)
		}
	case '"':
		s.str()
	default:
		start := s.pos
		for s.pos < len(s.text) && !strings.ContainsRune(",]} \t\r\n", rune(s.text[s.pos])) {
			s.pos++
		}
		if s.pos == start {
			s.giveUp()
		}
	}
}
