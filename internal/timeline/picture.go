package timeline

import (
	"strconv"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// Paint adds colours to a text; kind is what the text means.
type Paint func(kind Kind, text string) string

// Kind is what a piece of a picture means.
type Kind uint8

// The kinds of pieces.
const (
	Plain Kind = iota
	Dim
	Good
	Warning
	Bad
)

// Picture is the format in which a timeline is drawn.
type Picture struct {
	// Width is the width of a line, in columns, and Height the maximum number of lines,
	// 0: any.
	Width, Height int
	// Note is a sentence below the picture; "": none.
	Note string
	// UTF8 allows characters outside ASCII.
	UTF8 bool
	// Paint adds colours; nil: none.
	Paint Paint
}

// letters are the characters with which a column of a lane is drawn.
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

// The columns with numbers, to the right of each lane.
const (
	numbersNarrow = "  starts deaths fails  exit"
	numbersWide   = "  starts restarts deaths fails  exit"
	narrowFrom    = 50 // a narrower picture has no numbers
	wideFrom      = 100
	minWidth      = 20
	minLanes      = 3 // a low picture has at least so many, rather than a legend
)

// Draw returns the lines of the picture.
func (p Picture) Draw(t *Timeline) []string {
	p.Width = max(p.Width, minWidth)
	if p.Paint == nil {
		p.Paint = func(_ Kind, text string) string { return text }
	}
	from, to := t.Span()
	lines := p.wrap(", ", strings.Split(p.dash(from, to)+": "+t.Summary(), ", "))
	var below []string
	if p.Note != "" {
		below = append(below, p.fit(visible.Text(p.Note)))
	}
	lanes, left := t.Lanes(), t.Dropped()
	if len(lanes) == 0 {
		lines = append(lines, p.wrap(" ", strings.Split("No container started, ended or changed in this time.", " "))...)
		return append(lines, below...)
	}
	legend := p.legend()
	room := len(lanes)
	if p.Height > 0 {
		if room = p.Height - len(lines) - 1 - len(below); room-len(legend) > minLanes {
			room -= len(legend)
		} else {
			legend = nil
		}
	}
	if len(lanes) > room || left > 0 {
		room = max(room-1, 1) // the last line says how many more there are
		left += max(0, len(lanes)-room)
		lanes = lanes[:min(len(lanes), room)]
	}
	names, name := make([]string, len(lanes)), len("container")
	label := p.labels(lanes)
	for i, lane := range lanes {
		names[i] = label(lane, p.Width/4)
		name = max(name, visible.Width(names[i]))
	}
	numbers := ""
	if p.Width >= wideFrom {
		numbers = numbersWide
	} else if p.Width >= narrowFrom {
		numbers = numbersNarrow
	}
	bar := p.Width - name - 1 - len(numbers)
	lines = append(lines, p.Paint(Dim, pad("container", name)+" "+pad(p.axis(from, to, bar), bar)+numbers))
	for i, lane := range lanes {
		kind := Plain
		if lane.Failing() {
			kind = Bad
		}
		lines = append(lines, p.Paint(kind, pad(names[i], name))+" "+p.bar(t, lane, bar)+p.numbers(lane))
	}
	if left > 0 {
		lines = append(lines, p.fit("and "+strconv.Itoa(left)+" more, with less trouble"))
	}
	for _, line := range legend {
		lines = append(lines, p.Paint(Dim, line))
	}
	return append(lines, below...)
}

// labels returns a function that labels a lane in so many columns: with its name, and
// its user and host if these lanes have several.
func (p Picture) labels(lanes []*Lane) func(lane *Lane, columns int) string {
	users, hosts := false, false
	for _, l := range lanes {
		users = users || l.owner() != lanes[0].owner()
		hosts = hosts || l.Host != lanes[0].Host
	}
	return func(l *Lane, columns int) string {
		of := ""
		if users && l.UID != nil {
			of = " uid=" + strconv.FormatUint(uint64(*l.UID), 10)
		}
		if hosts && l.Host != "" {
			of += " host=" + p.name(l.Host)
		}
		of = p.cut(of, max(columns-5, 0)) // some of the name is shown in any case
		return p.cut(p.name(l.Name), columns-visible.Width(of)) + of
	}
}

// Times in a span of a year or more are shown with their year.
const year = 365 * 24 * time.Hour

// dash returns the time span in words.
func (p Picture) dash(from, to time.Time) string {
	day := "Jan 2 15:04"
	if to.Sub(from) >= year {
		day = "Jan 2 2006 15:04"
	}
	end := to.Format(day)
	if from.YearDay() == to.YearDay() && from.Year() == to.Year() {
		end = to.Format("15:04")
	}
	return from.Format(day) + " to " + end
}

func (p Picture) letters() *letters {
	if p.UTF8 {
		return &utf8Letters
	}
	return &asciiLetters
}

// steps are the intervals at which the axis may be marked.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
	15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
}

// axis draws the line of times above the lanes.
func (p Picture) axis(from, to time.Time, bar int) string {
	span := to.Sub(from)
	layout := "15:04"
	switch {
	case span >= year:
		layout = "Jan 2006"
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
		if s >= least && (s >= 24*time.Hour || span <= 4*24*time.Hour) {
			step = s
			break
		}
	}
	// Steps are in local time, even when the clock is put forward or back.
	y, m, d := from.Date()
	var b strings.Builder
	for n := 0; ; n++ {
		days, rest := time.Duration(n)*step/(24*time.Hour), time.Duration(n)*step%(24*time.Hour)
		at := time.Date(y, m, d+int(days), 0, 0, int(rest/time.Second), 0, from.Location())
		if !at.Before(to) {
			return b.String()
		}
		column := int(int64(at.Sub(from)) * int64(bar) / int64(span))
		if at.Before(from) || column < b.Len() {
			continue
		}
		label := at.Format(layout)
		if column+len(label) > bar {
			return b.String()
		}
		b.WriteString(strings.Repeat(" ", column-b.Len()) + label)
	}
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
	for i := range all { // adjacent pieces of the same kind are painted together
		kind, letter := p.column(&all[i], ends[i])
		if kind != painted && run != "" {
			b.WriteString(p.Paint(painted, run))
			run = ""
		}
		run, painted = run+letter, kind
	}
	return b.String() + p.Paint(painted, run)
}

// column returns the worst of what happened in a column.
func (p Picture) column(m *marks, end State) (Kind, string) {
	l := p.letters()
	switch {
	case m.Failures > 1:
		return Bad, strconv.Itoa(min(m.Failures, 9))
	case m.Failures > 0:
		return Bad, l.failure
	case m.PullErrors > 0:
		return Bad, l.pullError
	case m.FailedUpdates > 0:
		return Bad, l.failedUpdate
	case m.Updates > 0:
		return Good, l.update
	case m.unhealthy:
		return Warning, l.state[Unhealthy]
	case m.Deaths > 0 && m.Starts > 0:
		return Warning, l.restart
	case m.Deaths > 0:
		return Plain, l.ended
	case m.paused:
		return Warning, l.state[Paused]
	case m.running:
		return Good, l.state[Running]
	}
	return Dim, l.state[end]
}

// numbers returns the columns to the right of a lane.
func (p Picture) numbers(l *Lane) string {
	if p.Width < narrowFrom {
		return ""
	}
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
	return p.wrap("   ", []string{
		l.state[Running] + " running", l.state[Stopped] + " stopped", l.state[Paused] + " paused", l.state[Unhealthy] + " unhealthy",
		l.ended + " ended with 0", l.restart + " restarted", l.failure + " failed (2-9: that often)", l.pullError + " pull error",
		l.update + " updated", l.failedUpdate + " update failed",
	})
}

// wrap joins words into lines that fit.
func (p Picture) wrap(between string, words []string) []string {
	var lines []string
	line := ""
	for _, word := range words {
		switch {
		case line == "":
			line = word
		case visible.Width(line+between+word) > p.Width:
			lines = append(lines, p.fit(line))
			line = word
		default:
			line += between + word
		}
	}
	return append(lines, p.fit(line))
}

// name returns the name of a lane without characters that would disturb the picture.
func (p Picture) name(name string) string {
	if !p.UTF8 {
		quoted := strconv.QuoteToASCII(name)
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	}
	return visible.Text(name)
}
