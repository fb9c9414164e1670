package jsonscan

import "bytes"

// Value skips a value that has no more than so many open brackets.
func (s *Scanner) Value(depth int) bool {
	s.Space()
	if s.Pos == len(s.Text) {
		return false
	}
	switch c := s.Text[s.Pos]; c {
	case '"':
		_, _, ok := s.String()
		return ok
	case '{', '[':
		return depth > 0 && s.parts(c, depth-1)
	case 't':
		return s.Word("true")
	case 'f':
		return s.Word("false")
	case 'n':
		return s.Word("null")
	}
	_, _, ok := s.Number()
	return ok && s.fraction()
}

// fraction skips what may follow the whole part of a number.
func (s *Scanner) fraction() bool {
	if s.Byte('.') && s.digits() == 0 {
		return false
	}
	if !s.Byte('e') && !s.Byte('E') {
		return true
	}
	_ = s.Byte('+') || s.Byte('-')
	return s.digits() > 0
}

// parts skips an object or an array that begins with this bracket.
func (s *Scanner) parts(bracket byte, depth int) bool {
	end := bracket + 2 // in ASCII
	s.Byte(bracket)
	s.Space()
	if s.Byte(end) {
		return true
	}
	for {
		if bracket == '{' {
			s.Space()
			if _, _, ok := s.String(); !ok {
				return false
			}
			s.Space()
			if !s.Byte(':') {
				return false
			}
		}
		if !s.Value(depth) {
			return false
		}
		s.Space()
		if s.Byte(end) {
			return true
		}
		if !s.Byte(',') {
			return false
		}
	}
}

// CutString returns the next string, without its quotes and still escaped, and the text
// after it.
func CutString(b []byte) (content, after []byte, ok bool) {
	start := bytes.IndexByte(b, '"')
	if start < 0 {
		return nil, nil, false
	}
	b = b[start+1:]
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}
