package filter

// Passing returns the types and the statuses of which an event can pass; bit n
// stands for code n. An event of another type or status does not.
func (f *Filters) Passing() (types, statuses uint64) {
	if f == nil {
		return ^uint64(0), ^uint64(0)
	}
	return ^f.noTypes, ^f.noStatuses
}

// Objects returns what the events that pass are about: the ID of each begins
// with one of ids, or its name, or network, is one of names. ok is false if the
// filters do not say.
func (f *Filters) Objects() (ids, names []string, ok bool) {
	if f == nil {
		return nil, nil, false
	}
	for i := range f.groups {
		// One list is enough: those who ask look at what is left.
		g := &f.groups[i]
		if ids, names, ok = objectsOf(g.any); ok {
			return ids, names, ok
		}
		for j := range g.all {
			if ids, names, ok = objectsOf(g.all[j : j+1]); ok {
				return ids, names, ok
			}
		}
	}
	return nil, nil, false
}

func objectsOf(clauses []clause) (ids, names []string, ok bool) {
	for i := range clauses {
		c := &clauses[i]
		_, isObject := objectKeys[c.key]
		switch {
		case c.pattern != nil:
			return nil, nil, false
		case c.key == keyID:
			ids = append(ids, c.value)
		case c.key == keyName:
			names = append(names, c.value)
		case isObject && c.code != uint8(volumeCode):
			ids, names = append(ids, c.value), append(names, c.value)
		default:
			return nil, nil, false
		}
	}
	return ids, names, len(clauses) > 0
}
