// Package jsonstring writes and reads JSON strings as encoding/json does, to the
// byte, without its reflection.
package jsonstring

import (
	"math"
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
	var few [16]string // few keys take no memory of their own
	keys := few[:0]
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, key := range keys {
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
	dst, _ = AppendWithin(dst, s, math.MaxInt)
	return dst
}

// AppendWithin is Append for a string that escapes make no more than so many bytes
// longer, or so. Of another one it appends a part and returns false.
func AppendWithin(dst []byte, s string, most int) (_ []byte, ok bool) {
	dst = append(dst, '"')
	start := len(dst)
	checked, valid := false, false
	for i := 0; i < len(s); {
		if len(dst)-start-i > most {
			return dst, false
		}
		n := plainLength(s[i:])
		dst = append(dst, s[i:i+n]...)
		i += n
		// Where one character is to be escaped, others are near, such as the quotes of
		// JSON.
		for near := min(i+32, len(s)); i < near; {
			c := s[i]
			if c < utf8.RuneSelf {
				switch e := escapes[c]; e {
				case plain:
					dst = append(dst, c)
				case hex:
					dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
				default:
					dst = append(dst, '\\', e)
				}
				i++
				continue
			}
			if !checked { // to decode each character takes long
				checked, valid = true, utf8.ValidString(s[i:])
			}
			if valid && c != separators {
				n := lengthOfOthers(s[i:])
				dst = append(dst, s[i:i+n]...)
				i += n
				continue
			}
			text, size := decode(s[i:])
			dst = append(dst, text...)
			i += size
		}
	}
	return append(dst, '"'), true
}

// lengthOfOthers returns how many bytes at the start of a valid string are not ASCII
// and the same in JSON.
func lengthOfOthers(s string) int {
	i := 0
	for i < len(s) && s[i] >= utf8.RuneSelf && s[i] != separators {
		i++
	}
	return i
}

// separators is the byte that U+2028 and U+2029 begin with.
const separators = '\xe2'

// decode returns what the first character, which is not ASCII, becomes, and how many
// bytes it has.
func decode(s string) (text string, size int) {
	switch r, size := utf8.DecodeRuneInString(s); {
	case r == utf8.RuneError && size == 1:
		return `\ufffd`, size
	case r == '\u2028':
		return `\u2028`, size
	case r == '\u2029':
		return `\u2029`, size
	default:
		return s[:size], size
	}
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
func isPlain(c byte) bool { return escapes[c] == plain }

// What stands in escapes for a character that has no letter after a backslash.
const (
	plain = 0 // it is the same in JSON
	hex   = 1
)

// escapes has what comes after the backslash of a character of ASCII.
var escapes = func() (e [utf8.RuneSelf]byte) {
	for c := range byte(' ') {
		e[c] = hex
	}
	e['<'], e['>'], e['&'] = hex, hex, hex
	e['"'], e['\\'] = '"', '\\'
	e['\b'], e['\f'], e['\n'], e['\r'], e['\t'] = 'b', 'f', 'n', 'r', 't'
	return e
}()
