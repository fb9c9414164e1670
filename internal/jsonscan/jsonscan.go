// Package jsonscan scans JSON text in one pass, without copying and without reflection.
// The lines of Podman's log and the replies of the service are both read with it. Its
// users decide which members there are.
//
// It accepts JSON as programs write it, and refuses everything else, valid or not: its
// users then call encoding/json, whose result counts.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// Scanner is at a position in a text. A method that expects something returns false if
// it is not there in its plain form; the position is then undefined.
type Scanner struct {
	Text []byte
	Pos  int
}

// Space skips white space, except the newline, which a text on one line does not
// contain.
func (s *Scanner) Space() {
	if s.Pos < len(s.Text) && s.Text[s.Pos] <= ' ' {
		s.spaces()
	}
}

func (s *Scanner) spaces() {
	for s.Pos < len(s.Text) && (s.Text[s.Pos] == ' ' || s.Text[s.Pos] == '\t' || s.Text[s.Pos] == '\r') {
		s.Pos++
	}
}

// Byte skips a byte, if it is the next one.
func (s *Scanner) Byte(c byte) bool {
	if s.Pos < len(s.Text) && s.Text[s.Pos] == c {
		s.Pos++
		return true
	}
	return false
}

// Word skips a word, if it is next.
func (s *Scanner) Word(word string) bool {
	rest := s.Text[s.Pos:]
	if len(rest) < len(word) || string(rest[:len(word)]) != word {
		return false
	}
	s.Pos += len(word)
	return true
}

// Names are the names of members in the order in which their writer has them.
type Names []name

type name struct {
	text        string // as in the text, with what is up to the value: `"ID":`
	first, mask uint64 // its first eight bytes, and which of them it has
}

// NewNames returns names, given as they are spelled in a text, such as `"ID":`.
func NewNames(texts ...string) (names Names) {
	for _, text := range texts {
		n := name{text: text}
		for i := range min(len(text), 8) {
			n.first |= uint64(text[i]) << (8 * i)
			n.mask |= 0xff << (8 * i)
		}
		names = append(names, n)
	}
	return names
}

// Name skips the name of a member and its colon, if it is one of names from the index
// from on, and returns its index, or -1. In the order of their writer, few have to be
// compared. In the last eight bytes of a text it finds none.
func (s *Scanner) Name(names Names, from int) int {
	rest := s.Text[s.Pos:]
	if len(rest) < 8 {
		return -1
	}
	start := binary.LittleEndian.Uint64(rest)
	for n := from; n < len(names); n++ {
		name := &names[n]
		if start&name.mask == name.first && (len(name.text) <= 8 || len(rest) >= len(name.text) && string(rest[8:len(name.text)]) == name.text[8:]) {
			s.Pos += len(name.text)
			return n
		}
	}
	return -1
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Span is a part of a text.
type Span struct{ Start, End uint32 }

// String reads a string and returns what is between its quotes, still escaped, and
// whether it has escapes. It refuses what encoding/json would change: invalid UTF-8,
// and escapes of surrogates and NUL.
func (s *Scanner) String() (span Span, escaped, ok bool) {
	b, i := s.Text, s.Pos
	if uint(i) >= uint(len(b)) || b[i] != '"' {
		return span, false, false
	}
	i++
	start := i
	for {
		// Eight bytes at a time, up to the first that is a quote, a backslash, a
		// control character or not ASCII. Borrowing may also mark bytes after it.
		for i <= len(b)-8 {
			x := *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			special := (x | (x - ones*' ') | (quote - ones) | (slash - ones)) & highs
			if special != 0 {
				i += bits.TrailingZeros64(special) >> 3
				break
			}
			i += 8
		}
		if uint(i) >= uint(len(b)) {
			return span, false, false
		}
		c := b[i]
		if c == '"' {
			s.Pos = i + 1
			return Span{uint32(start), uint32(i)}, escaped, true
		}
		switch {
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

// escapeLength returns the length of the escape at the start of b, 0 if it cannot be
// passed on unchanged.
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

// Number reads a whole number and returns where it begins and how many digits it has.
func (s *Scanner) Number() (from, digits int, ok bool) {
	from = s.Pos
	s.Byte('-')
	first := s.Pos
	digits = s.digits()
	return from, digits, digits == 1 || digits > 1 && s.Text[first] != '0'
}

// digits skips digits, and returns how many.
func (s *Scanner) digits() (n int) {
	for s.Pos < len(s.Text) && s.Text[s.Pos]-'0' <= 9 {
		s.Pos++
		n++
	}
	return n
}
