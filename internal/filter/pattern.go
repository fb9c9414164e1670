package filter

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The bounds of patterns keep the work per event small, whatever its name: the bytes of
// one pattern, of all patterns of a call, and of a name. A longer name matches no
// pattern; libpod's are less than half as long.
const (
	maxPattern     = 512
	maxPatterns    = 4096
	maxPatternName = 1024
)

// wildcards make a value a pattern: '*' stands for any number of letters, '?' for one.
const wildcards = "*?"

// pattern is a value with wildcards, split at each '*'.
type pattern struct {
	parts []string // at least one; each may contain '?'
}

// parsePattern parses a value with wildcards.
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

// literalPrefix returns the part of a pattern before its first wildcard.
func literalPrefix(value string) string {
	if i := strings.IndexAny(value, wildcards); i >= 0 {
		return value[:i]
	}
	return value
}

// match reports whether a name matches the pattern. An empty name is absent, and does
// not match.
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

// prefixLength returns how many bytes at the beginning of a name match a part of a
// pattern, -1 if they do not match.
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

// notFound is what after returns if the part does not occur in the name. No name
// contains NUL.
const notFound = "\x00"

// after returns the rest of a name after the first match of a part of a pattern.
func after(name, part string) string {
	if !strings.Contains(part, "?") {
		if _, after, ok := strings.Cut(name, part); ok {
			return after
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
