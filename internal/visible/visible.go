// Package visible makes text that others have chosen safe to print: names, labels and
// messages in events come from the people who run containers.
package visible

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text replaces every character that controls a terminal, ends a line, changes the
// direction of text or is invisible, by its escape in Go's notation, such as \n, \x1b
// or \u202e: what is printed as one line stays one line.
func Text(text string) string {
	if IsPlain(text) || !strings.ContainsFunc(text, isHidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isHidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// JSON replaces the same characters in JSON text by JSON's escapes, which does not
// change its values. JSON without them is returned unchanged.
func JSON(line []byte) []byte {
	if IsPlain(line) {
		return line
	}
	text := string(line)
	// JSON itself escapes characters below a blank.
	i := strings.IndexFunc(text, isHidden)
	if i < 0 {
		return line
	}
	out := append(make([]byte, 0, len(line)+64), line[:i]...)
	for _, r := range text[i:] {
		switch {
		case !isHidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = appendEscapedRune(appendEscapedRune(out, high), low)
		default:
			out = appendEscapedRune(out, r)
		}
	}
	return out
}

// IsPlain reports whether text contains only printable ASCII, as nearly all does.
func IsPlain[T string | []byte](text T) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	odd := func(x uint64) uint64 { return x | (x - ones*' ') | (x + ones) }
	i, hidden := 0, uint64(0)
	for ; i+32 <= len(text); i += 32 { // eight bytes at a time, four times
		b := text[i : i+32]
		hidden |= odd(eight(b[:8])) | odd(eight(b[8:16])) | odd(eight(b[16:24])) | odd(eight(b[24:]))
	}
	for ; i+8 <= len(text); i += 8 {
		hidden |= odd(eight(text[i : i+8]))
	}
	if hidden&highs != 0 {
		return false
	}
	for ; i < len(text); i++ {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// eight returns the first eight bytes as a number.
func eight[T string | []byte](b T) uint64 {
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

const hexDigits = "0123456789abcdef"

func appendEscapedRune(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// hiddenTables are the characters, in addition to controls, that end a line, change the
// direction of text, or are invisible.
var hiddenTables = []*unicode.RangeTable{
	unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
}

// isHidden reports whether a character is replaced: C0 and C1 controls, format
// characters such as bidirectional marks, line and paragraph separators, characters
// that are never drawn, and the replacement for bytes that are not UTF-8.
func isHidden(r rune) bool {
	if ' ' <= r && r < 0x7f {
		return false
	}
	return unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.IsOneOf(hiddenTables, r)
}
