package filter

import "slices"

// Passing returns the types and statuses that can pass; bit n stands for code n.
func (f *Filters) Passing() (types, statuses uint64) {
	if f == nil {
		return ^uint64(0), ^uint64(0)
	}
	return ^f.noTypes, ^f.noStatuses
}

// Objects describes the objects of the events that pass: either the ID begins with one
// of IDs, or the name (or network) is one of Names or begins with one of Beginnings.
type Objects struct{ IDs, Names, Beginnings []string }

// Objects returns the objects of the events that pass. ok is false if the filters do
// not restrict them.
func (f *Filters) Objects() (o Objects, ok bool) {
	if f == nil {
		return o, false
	}
	for i := range f.groups {
		// One list is enough: the caller matches the events that are left.
		g := &f.groups[i]
		if o, ok = objectsOf(g.any); ok {
			return o, ok
		}
		for j := range g.all {
			if o, ok = objectsOf(g.all[j : j+1]); ok {
				return o, ok
			}
		}
	}
	return o, false
}

func objectsOf(clauses []clause) (o Objects, ok bool) {
	for i := range clauses {
		c := &clauses[i]
		_, isObject := objectKeys[c.key]
		if !isObject && c.key != keyID && c.key != keyName {
			return o, false
		}
		start, isVolume := literalPrefix(c.value), isObject && c.code == uint8(volumeCode)
		if c.key != keyName && (!isVolume || c.pattern != nil) {
			o.IDs = append(o.IDs, start)
		}
		switch {
		case c.key == keyID:
		case c.pattern != nil || isVolume:
			o.Beginnings = append(o.Beginnings, start)
		default:
			o.Names = append(o.Names, c.value)
		}
	}
	return o, len(clauses) > 0
}

// An outcome is the result of a health check or of a process, in four bits. The values
// below otherVerdict, and exitZero, stand for exactly one verdict or exit code.
const (
	noOutcome    = 0
	otherVerdict = 4 // lower values stand for the verdicts, from 1
	exitZero     = 5
	otherExit    = 6

	// Outcomes is how many there are.
	Outcomes = 16
)

// Outcome returns the outcome of the health check or process that the event reports, 0
// for other events.
func (v *View) Outcome() uint8 {
	if v.isVerdict() {
		return verdictOutcome(v.Health)
	}
	if code, has := v.exitCode(); has {
		return exitOutcome(code)
	}
	return noOutcome
}

func verdictOutcome(verdict string) uint8 {
	if i := slices.Index(verdicts, verdict); i >= 0 {
		return uint8(i) + 1
	}
	return otherVerdict
}

func exitOutcome(code int64) uint8 {
	if code == 0 {
		return exitZero
	}
	return otherExit + uint8(uint64(code)%(Outcomes-otherExit))
}

// hasOutcome reports whether the filter is on health or on exit codes.
func (c *clause) hasOutcome() bool { return c.key == keyHealth || c.key == keyExitCode }

// outcome returns the outcome of the events that a filter on health or exit codes
// describes, and whether only they have it.
func (c *clause) outcome() (outcome uint8, only bool) {
	if c.key == keyHealth {
		outcome = verdictOutcome(c.value)
		return outcome, outcome != otherVerdict
	}
	outcome = exitOutcome(c.number)
	return outcome, outcome == exitZero
}

// Outcomes returns the outcomes of the events that can pass; bit n stands for outcome
// n.
func (f *Filters) Outcomes() uint64 {
	passing := ^uint64(0)
	if f == nil {
		return passing
	}
	for i := range f.groups {
		if g := &f.groups[i]; !g.changed { // which needs every verdict
			passing &= g.outcomes()
		}
	}
	return passing
}

func (g *group) outcomes() uint64 {
	passing := ^uint64(0)
	if len(g.any) > 0 && g.any[0].hasOutcome() {
		passing = 0
		for i := range g.any {
			outcome, _ := g.any[i].outcome()
			passing |= 1 << outcome
		}
	}
	for i := range g.all {
		if c := &g.all[i]; c.hasOutcome() {
			outcome, _ := c.outcome()
			passing &= 1 << outcome
		}
	}
	for i := range g.none {
		if c := &g.none[i]; c.hasOutcome() {
			if outcome, only := c.outcome(); only {
				passing &^= 1 << outcome
			}
		}
	}
	return passing
}
