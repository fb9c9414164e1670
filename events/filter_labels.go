package events

import "bytes"

// labelClauses are the filters on labels by the names of the labels: an event is
// looked through once, however many filters there are.
type labelClauses map[string]*labelClause

// labelClause is what filters say of one label.
type labelClause struct {
	any, none valueSet
	index     int
}

// valueSet are values of a label.
type valueSet struct {
	all  bool // any value is meant
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

func newLabelClauses(g *group) labelClauses {
	l := make(labelClauses)
	at := func(name string) *labelClause {
		c := l[name]
		if c == nil {
			c = &labelClause{index: len(l)}
			l[name] = c
		}
		return c
	}
	for i := range g.any {
		at(g.any[i].value).any.add(&g.any[i])
	}
	for i := range g.none {
		at(g.none[i].value).none.add(&g.none[i])
	}
	return l
}

// match reports whether labels pass. matched is whether they do if none of them is
// asked for. Of labels of the same name the first counts, as in Lookup.
func (l labelClauses) match(labels Labels, matched bool) bool {
	passes := true
	hold := func(c *labelClause, value []byte) bool {
		passes = !c.none.has(value)
		matched = matched || c.any.has(value)
		return passes
	}
	if labels.Map != nil {
		for name, c := range l {
			if value, ok := labels.Map[name]; ok && !hold(c, []byte(value)) {
				return false
			}
		}
		return matched
	}
	seen := make([]bool, len(l))
	eachString(labels.JSON, func(name, value []byte) bool {
		c := l[string(unescaped(name))]
		if c == nil || seen[c.index] {
			return true
		}
		seen[c.index] = true
		return hold(c, unescaped(value))
	})
	return passes && matched
}

// unescaped is Unescape without a copy where nothing is escaped.
func unescaped(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	return []byte(Unescape(text))
}
