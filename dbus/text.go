package dbus

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// noLimit is for texts of any length.
const noLimit = int(^uint(0) >> 1)

// text appends the text of a JSON string, given without its quotes, as a D-Bus
// string: valid UTF-8 without NUL, whatever was in the line. It reports whether
// more than most bytes were left out at its end.
func (e *eventEncoder) text(raw []byte, escaped bool, most int) (cut bool) {
	e.Uint32(0)
	start := len(e.Buf)
	// An escape is at most six times as long as what it stands for.
	const longest = 6
	if most < len(raw)/longest-utf8.UTFMax {
		raw, cut = raw[:(most+utf8.UTFMax)*longest], true
	}
	if escaped {
		e.Buf = appendUnescaped(e.Buf, raw)
	} else {
		e.Buf = append(e.Buf, raw...)
	}
	e.clean(start)
	if len(e.Buf)-start > most {
		e.Buf, cut = e.Buf[:dbuswire.WholeRunes(e.Buf, start, start+most)], true
	}
	binary.LittleEndian.PutUint32(e.Buf[start-4:], uint32(len(e.Buf)-start))
	e.Buf = append(e.Buf, 0)
	return cut
}

// clean replaces what no D-Bus string can hold, from start on.
func (e *eventEncoder) clean(start int) {
	text := e.Buf[start:]
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return
	}
	e.Buf = append(e.Buf[:start], dbuswire.CleanText(string(text))...)
}

// shortEscapes are the escapes of JSON of one letter.
var shortEscapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// appendUnescaped appends the text of a JSON string without its escapes. An
// escape that is cut off or wrong becomes U+FFFD.
func appendUnescaped(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i:]
		switch {
		case len(raw) >= 2 && shortEscapes[raw[1]] != 0:
			dst = append(dst, shortEscapes[raw[1]])
			raw = raw[2:]
		case len(raw) >= 2 && raw[1] == 'u':
			var r rune
			r, raw = unescapeRune(raw)
			dst = utf8.AppendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, utf8.RuneError)
			raw = raw[1:]
		}
	}
}

// unescapeRune reads an escape of the form \uXXXX, or two of them for one rune.
func unescapeRune(raw []byte) (r rune, rest []byte) {
	const size = len(`\u0000`)
	r, ok := hexRune(raw)
	if !ok {
		return utf8.RuneError, raw[2:]
	}
	rest = raw[size:]
	if !utf16.IsSurrogate(r) {
		return r, rest
	}
	if second, ok := hexRune(rest); ok {
		if both := utf16.DecodeRune(r, second); both != utf8.RuneError {
			return both, rest[size:]
		}
	}
	return utf8.RuneError, rest
}

func hexRune(raw []byte) (r rune, ok bool) {
	if len(raw) < len(`\u0000`) || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	for _, c := range raw[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
