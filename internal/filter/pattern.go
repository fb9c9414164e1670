package filter

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of patterns keep the work for an event small, however its name was chosen:
// bytes of one pattern, of all of a call, and of a name that is looked at. No
// longer name is of any pattern; libpod's are below half of it.
const (
	maxPattern     = 512
	maxPatterns    = 4096
	maxPatternName = 1024
)

// wildcards are what makes a value a pattern: '*' stands for any letters, none
// included, and '?' for one.
const wildcards = "*?"

// pattern is a value with wildcards, cut at each '*'.
type pattern struct {
	parts []string // at least one; each may have '?'
}

// parsePattern makes a pattern of a value that has wildcards.
func (c *clause) parsePattern() string {
	if !strings.ContainsAny(c.value, wildcards) {
		return ""
	}
	if len(c.value) > maxPattern {
		return "the pattern is too long; give at most " + strconv.Itoa(maxPattern) + " bytes"
	}
	c.pattern = &pattern{strings.Split(c.value, "*")}
	return ""
}

// literalPrefix returns how every name of the pattern begins.
func literalPrefix(value string) string {
	if i := strings.IndexAny(value, wildcards); i >= 0 {
		return value[:i]
	}
	return value
}

// match reports whether a name is of the pattern. An empty one is absent, and of none.
func (p *pattern) match(name string) bool {
	if name == "" || len(name) > maxPatternName {
		return false
	}
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	n := prefixLength(name, first)
	if n < 0 {
		return false
	}
	if len(p.parts) == 1 {
		return n == len(name)
	}
	rest := name[n:]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		if rest = after(rest, part); rest == notFound {
			return false
		}
	}
	return hasSuffix(rest, last)
}

// prefixLength returns how many bytes of a name match a part of a pattern at its
// beginning, -1 if it does not match there.
func prefixLength(name, part string) int {
	at := 0
	for i := range len(part) {
		switch {
		case at == len(name):
			return -1
		case part[i] == '?':
			_, size := utf8.DecodeRuneInString(name[at:])
			at += size
		case part[i] == name[at]:
			at++
		default:
			return -1
		}
	}
	return at
}

// hasSuffix reports whether the end of a name matches a part of a pattern.
func hasSuffix(name, part string) bool {
	for i := len(part) - 1; i >= 0; i-- {
		switch {
		case name == "":
			return false
		case part[i] == '?':
			_, size := utf8.DecodeLastRuneInString(name)
			name = name[:len(name)-size]
		case part[i] == name[len(name)-1]:
			name = name[:len(name)-1]
		default:
			return false
		}
	}
	return true
}

// notFound is what after returns where the part is not in the name: a name is
// never that long, and never has NUL.
const notFound = "\x00"

// after returns what follows the first match of a part of a pattern in a name.
func after(name, part string) string {
	if !strings.Contains(part, "?") {
		if i := strings.Index(name, part); i >= 0 {
			return name[i+len(part):]
		}
		return notFound
	}
	for i := range name {
		if n := prefixLength(name[i:], part); n >= 0 {
			return name[i+n:]
		}
	}
	return notFound
}
