package dbuswire

import (
	"strings"
	"unicode/utf8"
)

// CleanText replaces what a D-Bus string cannot contain by U+FFFD: bytes that are not
// UTF-8, and NUL.
func CleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// WholeRunes returns the greatest index up to end that is not inside a rune of the text
// that begins at start.
func WholeRunes(b []byte, start, end int) int {
	for end > start && !utf8.RuneStart(b[end]) {
		end--
	}
	return end
}

// Shorten shortens a text of a message that the reply repeats.
func Shorten(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:WholeRunes([]byte(s), 0, most)] + "…"
}
