package filter

import (
	"bytes"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// labelClauses are the filters on labels, combined so that the labels of an event are
// read once, however many filters there are.
type labelClauses struct {
	byName map[string]*labelClause
	needed int // how many of them an event must have
}

// labelClause is the filters on one label.
type labelClause struct {
	any, none, must valueSet
	index           int
}

// valueSet is a set of values of a label.
type valueSet struct {
	all  bool // any value
	some map[string]bool
}

func (s *valueSet) add(c *clause) {
	if c.anyLabel {
		s.all = true
		return
	}
	if s.some == nil {
		s.some = make(map[string]bool)
	}
	s.some[c.labelVal] = true
}

func (s *valueSet) has(value []byte) bool { return s.all || s.some[string(value)] }

// isEmpty reports whether the set is empty.
func (s *valueSet) isEmpty() bool { return !s.all && len(s.some) == 0 }

// allAre reports whether each value of the set equals value.
func (s *valueSet) allAre(value []byte) bool {
	return len(s.some) == 0 || len(s.some) == 1 && s.some[string(value)]
}

func newLabelClauses(g *group) *labelClauses {
	l := &labelClauses{byName: make(map[string]*labelClause)}
	at := func(name string) *labelClause {
		c := l.byName[name]
		if c == nil {
			c = &labelClause{index: len(l.byName)}
			l.byName[name] = c
		}
		return c
	}
	for i := range g.any {
		at(g.any[i].value).any.add(&g.any[i])
	}
	for i := range g.none {
		at(g.none[i].value).none.add(&g.none[i])
	}
	for i := range g.all {
		c := at(g.all[i].value)
		if c.must.isEmpty() {
			l.needed++
		}
		c.must.add(&g.all[i])
	}
	return l
}

// match reports whether labels pass; matched is the result if no filter needs one of
// them. Of labels with the same name the first counts, as in Lookup.
func (l *labelClauses) match(labels Labels, matched bool) bool {
	passes, missing := true, l.needed
	hold := func(c *labelClause, value []byte) bool {
		passes = !c.none.has(value) && c.must.allAre(value)
		matched = matched || c.any.has(value)
		if !c.must.isEmpty() {
			missing--
		}
		return passes
	}
	if labels.Map != nil {
		for name, c := range l.byName {
			if value, ok := labels.Map[name]; ok && !hold(c, []byte(value)) {
				return false
			}
		}
		return matched && missing == 0
	}
	seen := make([]bool, len(l.byName))
	eachString(labels.JSON, func(name, value []byte) bool {
		c := l.byName[string(unescaped(name))]
		if c == nil || seen[c.index] {
			return true
		}
		seen[c.index] = true
		return hold(c, unescaped(value))
	})
	return passes && matched && missing == 0
}

// unescaped is jsonstring.Unescape, without a copy where nothing is escaped.
func unescaped(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	return []byte(jsonstring.Unescape(text))
}
