package timeline

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// Paint paints a text; kind says what it stands for.
type Paint func(kind Kind, text string) string

// Kind is what a piece of a picture stands for.
type Kind uint8

// The kinds of pieces.
const (
	Plain Kind = iota
	Dim
	Good
	Warning
	Bad
)

// Picture is a form in which a timeline is drawn.
type Picture struct {
	// Width is that of a line, in columns, and Height the most lines, 0: any.
	Width, Height int
	// UTF8 allows letters outside ASCII.
	UTF8 bool
	// Paint paints pieces; nil: it does not.
	Paint Paint
}

// letters are what a column of a lane is drawn with.
type letters struct {
	state                                     [Unhealthy + 1]string
	restart, ended, failure                   string
	pullError, update, failedUpdate, cut, bar string
}

var (
	asciiLetters = letters{
		state: [...]string{" ", ".", "=", "-", "~"}, restart: "o", ended: "|", failure: "x",
		pullError: "P", update: "u", failedUpdate: "!", cut: "~", bar: "|",
	}
	utf8Letters = letters{
		state: [...]string{" ", "·", "━", "╌", "▒"}, restart: "○", ended: "╸", failure: "×",
		pullError: "P", update: "↑", failedUpdate: "!", cut: "…", bar: "│",
	}
)

// The columns of numbers right of each lane.
const (
	numbersNarrow = "  starts deaths fails  exit"
	numbersWide   = "  starts restarts deaths fails  exit"
	wideFrom      = 100
	minBar        = 10
	minWidth      = 50
	fixedLines    = 5 // above and below the lanes
)

// Draw returns the lines of the picture.
func (p Picture) Draw(t *Timeline) []string {
	p.Width = max(p.Width, minWidth)
	if p.Paint == nil {
		p.Paint = func(_ Kind, text string) string { return text }
	}
	from, to := t.Span()
	lanes := t.Lanes()
	left := t.Dropped()
	if most := p.Height - fixedLines; p.Height > 0 && len(lanes) > max(most, 1) {
		left += len(lanes) - max(most, 1)
		lanes = lanes[:max(most, 1)]
	}
	lines := []string{p.fit(p.dash(from, to) + ": " + t.Summary())}
	if len(lanes) == 0 {
		return append(lines, p.fit("No container started, ended or changed in this time."))
	}
	names, name := make([]string, len(lanes)), len("container")
	for i, lane := range lanes {
		names[i] = p.name(lane.Name)
		name = max(name, width(names[i]))
	}
	name = min(name, p.Width/4)
	numbers := numbersNarrow
	if p.Width >= wideFrom {
		numbers = numbersWide
	}
	bar := max(p.Width-name-1-len(numbers), minBar)
	head := pad("container", name) + " " + pad(p.axis(from, to, bar), bar) + numbers
	lines = append(lines, p.Paint(Dim, head))
	for i, lane := range lanes {
		kind := Plain
		if lane.Failing() {
			kind = Bad
		}
		lines = append(lines, p.Paint(kind, pad(p.cut(names[i], name), name))+" "+p.bar(t, lane, bar)+p.numbers(lane))
	}
	if left > 0 {
		lines = append(lines, p.fit("and "+strconv.Itoa(left)+" more, with less trouble"))
	}
	for _, line := range p.legend() {
		lines = append(lines, p.Paint(Dim, line))
	}
	return lines
}

// dash is the span in words.
func (p Picture) dash(from, to time.Time) string {
	const day, clock = "Jan 2 15:04", "15:04"
	end := to.Format(day)
	if from.YearDay() == to.YearDay() && from.Year() == to.Year() {
		end = to.Format(clock)
	}
	return from.Format(day) + " to " + end
}

func (p Picture) letters() *letters {
	if p.UTF8 {
		return &utf8Letters
	}
	return &asciiLetters
}

// steps are the distances of marks on the axis that people count in.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
	15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
}

// axis is the line of times above the lanes.
func (p Picture) axis(from, to time.Time, bar int) string {
	span := to.Sub(from)
	layout := "15:04"
	switch {
	case span > 4*24*time.Hour:
		layout = "Jan _2"
	case span > 24*time.Hour:
		layout = "Jan _2 15h"
	case span < 5*time.Minute:
		layout = "15:04:05"
	}
	least := span * time.Duration(len(layout)+3) / time.Duration(bar)
	step := steps[len(steps)-1]
	for step < least {
		step *= 2
	}
	for _, s := range steps {
		if s >= least && (s >= 24*time.Hour || layout != "Jan _2") {
			step = s
			break
		}
	}
	_, offset := from.Zone()
	zone := time.Duration(offset) * time.Second
	var b strings.Builder
	for at := from.Add(zone).Truncate(step).Add(-zone); at.Before(to); at = at.Add(step) {
		column := int(int64(at.Sub(from)) * int64(bar) / int64(span))
		if at.Before(from) || column < b.Len() {
			continue
		}
		label := at.Format(layout)
		if column+len(label) > bar {
			break
		}
		b.WriteString(strings.Repeat(" ", column-b.Len()) + label)
	}
	return b.String()
}

// bar draws a lane.
func (p Picture) bar(t *Timeline, l *Lane, columns int) string {
	from, to := t.Span()
	first, last := t.number(from), t.number(to)
	all := make([]marks, columns)
	ends := make([]State, columns)
	next := 0
	state := l.before
	for i := range columns {
		end := first + (last-first+1)*int64(i+1)/int64(columns)
		all[i].saw(state)
		for next < len(l.cells) && l.cells[next].at < end {
			all[i].add(&l.cells[next].marks)
			if after := l.cells[next].after; after != Unknown {
				state = after
			}
			next++
		}
		ends[i] = state
	}
	var b strings.Builder
	run, painted := "", Plain
	for i := range all { // what looks the same is painted at once
		kind, letter := p.column(&all[i], ends[i])
		if kind != painted && run != "" {
			b.WriteString(p.Paint(painted, run))
			run = ""
		}
		run, painted = run+letter, kind
	}
	return b.String() + p.Paint(painted, run)
}

// column draws the worst of what happened in a column.
func (p Picture) column(m *marks, end State) (Kind, string) {
	l := p.letters()
	switch {
	case m.failures > 1:
		return Bad, strconv.Itoa(int(min(m.failures, 9)))
	case m.failures > 0:
		return Bad, l.failure
	case m.pullErrors > 0:
		return Bad, l.pullError
	case m.failedUpdates > 0:
		return Bad, l.failedUpdate
	case m.updates > 0:
		return Good, l.update
	case m.unhealthy:
		return Warning, l.state[Unhealthy]
	case m.deaths > 0 && m.starts > 0:
		return Warning, l.restart
	case m.deaths > 0:
		return Plain, l.ended
	case m.paused:
		return Warning, l.state[Paused]
	case m.running:
		return Good, l.state[Running]
	}
	return Dim, l.state[end]
}

// numbers are the columns right of a lane.
func (p Picture) numbers(l *Lane) string {
	exit, restarts := "-", ""
	right := func(n int, text string) string { return strings.Repeat(" ", max(0, n-len(text))) + text }
	if p.Width >= wideFrom {
		restarts = right(9, strconv.Itoa(l.Restarts))
	}
	if l.LastExitCode != nil {
		exit = strconv.Itoa(*l.LastExitCode)
	}
	failed := right(6, strconv.Itoa(l.Failures+l.PullErrors))
	if l.Failures+l.PullErrors > 0 {
		failed = p.Paint(Bad, failed)
	}
	return right(8, strconv.Itoa(l.Starts)) + restarts + right(7, strconv.Itoa(l.Deaths)) + failed + right(6, exit)
}

// legend explains the letters.
func (p Picture) legend() []string {
	l := p.letters()
	return p.wrap([]string{
		l.state[Running] + " running", l.state[Stopped] + " stopped", l.state[Paused] + " paused", l.state[Unhealthy] + " unhealthy",
		l.ended + " ended with 0", l.restart + " restarted", l.failure + " failed (2-9: that often)", l.pullError + " pull error",
		l.update + " updated", l.failedUpdate + " update failed",
	})
}

// wrap joins words to lines that fit.
func (p Picture) wrap(words []string) []string {
	var lines []string
	line := ""
	for _, word := range words {
		switch {
		case line == "":
			line = word
		case width(line)+3+width(word) > p.Width:
			lines = append(lines, line)
			line = word
		default:
			line += "   " + word
		}
	}
	return append(lines, line)
}

// name is the name of a lane with nothing in it that could disturb the picture.
func (p Picture) name(name string) string {
	if !p.UTF8 {
		quoted := strconv.QuoteToASCII(name)
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	}
	return visible.Text(name)
}

// fit cuts a line to the width.
func (p Picture) fit(line string) string { return p.cut(line, p.Width) }

// cut cuts a text to so many columns, and shows that it did.
func (p Picture) cut(text string, columns int) string {
	if width(text) <= columns {
		return p.turn(text)
	}
	n := 0
	for i, r := range text {
		if n += runeWidth(r); n > columns-1 {
			return p.turn(text[:i]) + p.letters().cut
		}
	}
	return text
}

// turn ends a text that is written from right to left, so that a terminal which
// knows that does not draw the rest of the line the same way.
func (p Picture) turn(text string) string {
	if p.UTF8 && strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac) }) {
		return text + leftToRight
	}
	return text
}

// leftToRight is the mark for the direction of a text, without width.
const leftToRight = "\u200e"

// pad fills a text up to so many columns.
func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-width(text)))
}

// width is how many columns a terminal needs for a text.
func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// wide are the blocks whose letters fill two columns (Unicode's East Asian Width
// W and F, by block).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}
