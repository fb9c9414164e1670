package visible

import "unicode"

// wideTable are the characters that a terminal draws in two cells: East Asian wide and
// full-width ones, and pictures. Where terminals differ they count as wide, so that a
// line that is cut to fit does.
var wideTable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x231a, 0x231b, 1},
		{0x23e9, 0x23fa, 1},
		{0x25fd, 0x25fe, 1},
		{0x2600, 0x27bf, 1},
		{0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b55, 5},
		{0x2e80, 0x303e, 1},
		{0x3041, 0xa4cf, 1},
		{0xa960, 0xa97f, 1},
		{0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff01, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18cff, 1}, {0x1aff0, 0x1b2ff, 1}, {0x1f000, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}

// cells returns how many cells of a terminal a character takes.
func cells(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me): // drawn over the one before
		return 0
	case unicode.Is(wideTable, r):
		return 2
	}
	return 1
}

// Width returns how many cells of a terminal text takes that Text has been over.
func Width(text string) int {
	if IsPlain(text) {
		return len(text)
	}
	width := 0
	for _, r := range text {
		width += cells(r)
	}
	return width
}

// Cut returns as much from the beginning of such text as fits into so many cells.
func Cut(text string, room int) string {
	if len(text) <= room {
		return text
	}
	for i, r := range text {
		if room -= cells(r); room < 0 {
			return text[:i]
		}
	}
	return text
}
