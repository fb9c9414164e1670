package varlinkwire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// The functions below walk JSON that checkJSON has found to be valid. They return parts
// of the text unchanged, which is enough to check a call against a description.

// checkJSON returns why the text cannot be part of a call: it has to be valid UTF-8 and
// valid JSON, nested no deeper than limits.Depth.
func checkJSON(text []byte) error {
	if isPlain(text) {
		return nil
	}
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8")
	}
	if depthOf(text) > limits.Depth {
		return errors.Errorf("it is nested deeper than %d levels", limits.Depth)
	}
	if !json.Valid(text) {
		return errors.New("it is not JSON")
	}
	return nil
}

// isPlain reports, after one pass, whether the text is what checkJSON accepts, written as
// programs write it. Of other texts, such as one with line breaks, it does not know.
func isPlain(text []byte) bool {
	s := jsonscan.Scanner{Text: text}
	if !s.Value(limits.Depth) {
		return false
	}
	s.Space()
	return s.Pos == len(text)
}

// depthOf returns the greatest number of open brackets, without checking that they
// match. It comes first, so that the nesting reaches no other code.
func depthOf(text []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = endOfString(text, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// endOfString returns the index after the string that begins at i, or the length of the
// text if the string does not end. It reads each byte at most twice, whatever is
// escaped.
func endOfString(text []byte, i int) int {
	i++
	for quote := -1; i < len(text); {
		if quote < i {
			n := bytes.IndexByte(text[i:], '"')
			if n < 0 {
				return len(text)
			}
			quote = i + n
		}
		n := bytes.IndexByte(text[i:quote], '\\')
		if n < 0 {
			return quote + 1
		}
		i += n + 2
	}
	return len(text)
}

// skipSpace returns the index of the first byte at or after i that is not white space.
func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// endOfValue returns the index after the value that begins at i.
func endOfValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = endOfString(text, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// members calls each for every member of an object, with the name unescaped, until each
// returns false.
func members(object []byte, each func(name, value []byte) bool) {
	for i := skipSpace(object, 0) + 1; ; {
		i = skipSpace(object, i)
		if i >= len(object) || object[i] == '}' {
			return
		}
		end := endOfString(object, i)
		name := unquote(object[i:end])
		i = skipSpace(object, skipSpace(object, end)+1)
		end = endOfValue(object, i)
		if !each(name, object[i:end]) {
			return
		}
		i = skipSpace(object, end)
		if i < len(object) && object[i] == ',' {
			i++
		}
	}
}

// elements calls each for every element of an array, until it returns false.
func elements(array []byte, each func(value []byte) bool) {
	for i := skipSpace(array, 0) + 1; ; {
		i = skipSpace(array, i)
		if i >= len(array) || array[i] == ']' {
			return
		}
		end := endOfValue(array, i)
		if !each(array[i:end]) {
			return
		}
		i = skipSpace(array, end)
		if i < len(array) && array[i] == ',' {
			i++
		}
	}
}

// unquote returns the text of a quoted string, which is part of it if it has no escapes.
func unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s)
	return []byte(s)
}

// nameSet is a set of the names of members. The first few take no memory of their own.
type nameSet struct {
	few  [16][]byte
	used int
	more map[string]bool
}

// add adds a name. It returns false if the set has it already.
func (s *nameSet) add(name []byte) bool {
	switch {
	case s.has(string(name)):
		return false
	case s.used < len(s.few):
		s.few[s.used] = name
		s.used++
		return true
	case s.more == nil:
		s.more = make(map[string]bool)
	}
	s.more[string(name)] = true
	return true
}

func (s *nameSet) has(name string) bool {
	for _, have := range s.few[:s.used] {
		if string(have) == name {
			return true
		}
	}
	return s.more[name]
}

// Kinds of values, by their first byte.
func isString(v []byte) bool { return v[0] == '"' }
func isObject(v []byte) bool { return v[0] == '{' }
func isArray(v []byte) bool  { return v[0] == '[' }
func isNull(v []byte) bool   { return v[0] == 'n' }
func isTrue(v []byte) bool   { return v[0] == 't' }
func isBool(v []byte) bool   { return v[0] == 't' || v[0] == 'f' }
func isNumber(v []byte) bool { return v[0] == '-' || v[0] >= '0' && v[0] <= '9' }
