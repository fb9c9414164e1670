package events

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
		// One group is enough: those who ask look at what is left.
		if ids, names, ok = f.groups[i].objects(); ok {
			break
		}
	}
	return ids, names, ok
}

func (g *group) objects() (ids, names []string, ok bool) {
	for i := range g.any {
		c := &g.any[i]
		_, isObject := objectKeys[c.key]
		switch {
		case c.key == keyID:
			ids = append(ids, c.value)
		case c.key == keyName:
			names = append(names, c.value)
		case isObject && !c.volume:
			ids, names = append(ids, c.value), append(names, c.value)
		default:
			return nil, nil, false
		}
	}
	return ids, names, len(g.any) > 0
}
