package filter

// Term is one filter that is not negated, for a store that can look events up.
type Term struct {
	// Key is the key of the filter grammar; "status" also where "event" was given.
	Key string
	// Value is what the filter compares with, according to the key: in full, or as the
	// beginning of a name or ID.
	Value string
	// Begins: the filter is a pattern, and Value the beginning that all its names and
	// IDs have.
	Begins bool
}

// Terms returns the filters that are not negated: an event that passes matches at least
// one of each list. The filters of a list have the same key. Filters on types and
// statuses that MayMatch decides alone are left out, and so are lists with a filter
// that cannot be looked up. A store may use the terms to read fewer events; it must
// still call Match for each.
func (f *Filters) Terms() [][]Term {
	if f == nil {
		return nil
	}
	var all [][]Term
	for i := range f.groups {
		g := &f.groups[i]
		if g.changed { // which needs every verdict
			continue
		}
		if terms := termsOf(g.any); terms != nil {
			all = append(all, terms)
		}
		for j := range g.all {
			if terms := termsOf(g.all[j : j+1]); terms != nil {
				all = append(all, terms)
			}
		}
	}
	return all
}

// termsOf returns clauses as terms, nil if one of them cannot be looked up.
func termsOf(clauses []clause) []Term {
	var terms []Term
	for i := range clauses {
		c := &clauses[i]
		t := Term{Key: string(c.key), Value: c.value}
		switch {
		case c.key == keyExitCode && c.number == 0: // Podman may have left it out
			return nil
		case c.pattern != nil:
			if t.Value, t.Begins = literalPrefix(c.value), true; t.Value == "" {
				return nil
			}
		}
		terms = append(terms, t)
	}
	return terms
}
