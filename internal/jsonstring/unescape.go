package jsonstring

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Unescape is AppendUnescaped for a text of its own.
func Unescape(escaped []byte) string {
	if bytes.IndexByte(escaped, '\\') < 0 {
		return string(escaped)
	}
	text := AppendUnescaped(make([]byte, 0, len(escaped)), unsafe.String(unsafe.SliceData(escaped), len(escaped)))
	return unsafe.String(unsafe.SliceData(text), len(text)) // nothing else has it
}

// shortEscapes are the escapes of JSON of one letter.
var shortEscapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// AppendUnescaped appends what a JSON string says, given what stands between its
// quotes. A wrong escape, or one that is cut off, becomes U+FFFD. Bytes that are not
// UTF-8 stay as they are.
func AppendUnescaped(dst []byte, raw string) []byte {
	for {
		i := strings.IndexByte(raw, '\\')
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
func unescapeRune(raw string) (r rune, rest string) {
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

func hexRune(raw string) (r rune, ok bool) {
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
		r = r<<4 | c
	}
	return r, true
}
