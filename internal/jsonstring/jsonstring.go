// Package jsonstring writes and reads JSON strings as encoding/json does, to the
// byte, without its reflection.
package jsonstring

import (
	"maps"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// AppendMap appends a JSON object with its keys sorted, or null for nil,
// as encoding/json does.
func AppendMap(dst []byte, m map[string]string) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = Append(dst, key)
		dst = append(dst, ':')
		dst = Append(dst, m[key])
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// Append appends a JSON string exactly as encoding/json does: HTML's characters and
// JavaScript's line separators are escaped, bytes that are not UTF-8 replaced by
// U+FFFD.
func Append(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; ; {
		if i += plainLength(s[i:]); i >= len(s) {
			break
		}
		if s[i] < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			// Where one character is to be escaped, others are near, such as the quotes
			// of JSON.
			for near := min(i+16, len(s)); i < near && s[i] < utf8.RuneSelf; i++ {
				if c := s[i]; isPlain(c) {
					dst = append(dst, c)
				} else {
					dst = appendEscape(dst, c)
				}
			}
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainLength returns how many bytes at the start of a string are unchanged in JSON. It
// checks eight at a time.
func plainLength(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// '<' and '>' differ in one bit.
		quote, slash, angle, and := x^(ones*'"'), x^(ones*'\\'), x&^(ones*('<'^'>'))^(ones*'<'), x^(ones*'&')
		special := x | (x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash | (angle-ones)&^angle | (and-ones)&^and
		if special &= highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(s) && s[i] < utf8.RuneSelf && isPlain(s[i]) {
		i++
	}
	return i
}

// isPlain reports whether an ASCII character is unchanged in JSON.
func isPlain(c byte) bool {
	return c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '\\', '"':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
