package timeline

import (
	"strings"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// fit truncates a line to the width.
func (p Picture) fit(line string) string { return p.cut(line, p.Width) }

// cut truncates a text to so many columns, with a mark at the end.
func (p Picture) cut(text string, columns int) string {
	if visible.Width(text) <= columns {
		return p.turn(text)
	}
	if columns < 1 {
		return ""
	}
	return p.turn(visible.Cut(text, columns-1)) + p.letters().cut
}

// turn puts marks around right-to-left text, so that a terminal that supports it does
// not reverse the rest of the line.
func (p Picture) turn(text string) string {
	if p.UTF8 && strings.ContainsFunc(text, isRightToLeft) {
		return leftToRight + text + leftToRight
	}
	return text
}

// leftToRight is the mark for the direction of a text, without width.
const leftToRight = "\u200e"

// isRightToLeft reports whether a letter is in the Unicode blocks of right-to-left
// scripts.
func isRightToLeft(r rune) bool {
	return r >= 0x590 && r <= 0x8ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff ||
		r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff
}

// pad fills a text up to so many columns.
func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-visible.Width(text)))
}
