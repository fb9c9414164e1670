package events

// Term is one filter that is not negated, for a store that can look events up.
type Term struct {
	// Key is the key of the filter grammar; "status" also where "event" was given.
	Key string
	// Value is what the filter compares with, as the key does: in full, or as
	// the beginning of a name or ID.
	Value string
}

// Terms returns the filters that are not negated, by key: an event that passes
// matches at least one of each key. Filters on types and statuses that MayMatch
// decides alone are left out. A store may use this to look at fewer events; it
// has to ask MatchView about each all the same.
func (f *Filters) Terms() [][]Term {
	if f == nil {
		return nil
	}
	var all [][]Term
	for i := range f.groups {
		var terms []Term
		for j := range f.groups[i].any {
			c := &f.groups[i].any[j]
			terms = append(terms, Term{Key: string(c.key), Value: c.value})
		}
		if len(terms) > 0 {
			all = append(all, terms)
		}
	}
	return all
}
