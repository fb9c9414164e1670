package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// roff writes man(7) markup.
type roff struct{ bytes.Buffer }

// escape escapes text: no character is taken for markup, and a hyphen can be copied to
// a shell.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return ascii(text)
}

// ascii replaces other characters by their names, so that a formatter need not guess
// the encoding.
func ascii(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

func (r *roff) heading(text string)    { fmt.Fprintf(r, ".SH %s\n", escape(text)) }
func (r *roff) subheading(text string) { fmt.Fprintf(r, ".SS %s\n", escape(text)) }

// item begins a described item; its title is already roff.
func (r *roff) item(title string) { fmt.Fprintf(r, ".TP\n%s\n", title) }

// line writes one line of running text that is already roff.
func (r *roff) line(text string) { fmt.Fprintln(r, text) }

// prose writes paragraphs separated by empty lines. One whose first line is indented is
// an example or a table, and is not reflowed.
func (r *roff) prose(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		if strings.HasPrefix(lines[0], " ") {
			r.verbatim(lines)
			continue
		}
		for _, l := range lines {
			r.line(escape(strings.TrimSpace(l)))
		}
	}
}

// verbatim writes lines unchanged, without the indentation of the first.
func (r *roff) verbatim(lines []string) {
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
	r.line(".RS 2\n.nf")
	for _, l := range lines {
		r.line(escape(strings.TrimPrefix(l, indent)))
	}
	r.line(".fi\n.RE")
}
