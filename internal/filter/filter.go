// Package filter is the grammar of filters, and matches events or lines of a store
// against them. It knows neither: it matches a View, in which types and statuses are
// small numbers, so that a set of them is one machine word.
package filter

import (
	"slices"
	"strings"
)

// Filters selects events: filters with the same key widen the selection, filters with
// different keys narrow it. The zero value matches every event. It is immutable, and
// safe for concurrent use.
type Filters struct {
	noTypes    uint64 // bit n: the type with code n does not pass
	noStatuses uint64 // bit n: the status with code n does not pass
	groups     []group
	users      bool // there is a filter on uid
	changed    int  // index of the group with health=changed, from 1; 0: none
}

// View is what filters read of an event, or of a line of a store that was not decoded
// into an Event. An empty string is an absent field. Type and Status are read only
// where the code is 0.
type View struct {
	TypeCode   TypeCode
	StatusCode StatusCode
	Type       string
	Status     string
	ID         string
	Name       string
	Image      string
	Network    string
	Host       string
	UID        int64 // negative: unknown
	Labels     Labels
	Health     string // verdict of a health check
	// ExitCode is valid if HasExitCode. It may be missing for exit code 0, which Podman
	// before 5 leaves out.
	ExitCode    int64
	HasExitCode bool
}

// filterKey is the canonical name of a key.
type filterKey string

const (
	keyType     filterKey = "type"
	keyStatus   filterKey = "status"
	keyLabel    filterKey = "label"
	keyID       filterKey = "id"
	keyName     filterKey = "name"
	keyAncestor filterKey = "ancestor"
	keyUID      filterKey = "uid"
	keyHost     filterKey = "host"
	keyHealth   filterKey = "health"
	keyExitCode filterKey = "exit-code"
)

// objectKeys are the keys that name an object of a type: by equal name or prefix of the
// ID (for a volume, prefix of the name), or by a pattern of either.
var objectKeys = map[filterKey]TypeCode{
	"artifact": codeOf[TypeCode]("artifact", typeWords[:]), "container": containerCode, "image": codeOf[TypeCode]("image", typeWords[:]),
	"machine": codeOf[TypeCode]("machine", typeWords[:]), "network": networkCode, "pod": codeOf[TypeCode]("pod", typeWords[:]),
	"secret": codeOf[TypeCode]("secret", typeWords[:]), "volume": volumeCode,
}

// The codes of types and statuses that filters treat specially.
var (
	containerCode = codeOf[TypeCode]("container", typeWords[:])
	networkCode   = codeOf[TypeCode]("network", typeWords[:])
	volumeCode    = codeOf[TypeCode]("volume", typeWords[:])

	diedCode     = codeOf[StatusCode]("died", statusWords[:])
	execDiedCode = codeOf[StatusCode]("exec_died", statusWords[:])
	removeCode   = codeOf[StatusCode]("remove", statusWords[:])
	healthCode   = codeOf[StatusCode]("health_status", statusWords[:])
	// endCodes are the statuses that have an exit code; bit n stands for code n.
	endCodes = uint64(1)<<diedCode | uint64(1)<<execDiedCode | uint64(1)<<removeCode
)

// codeOf looks a word up in its table, which is available while package-level variables
// are initialized, unlike the table of codes.
func codeOf[C ~uint8](word string, table []string) C { return C(slices.Index(table, word)) }

// EndsProcess reports whether events of the type and status report the end of a
// process, which has an exit code. Podman before 5 leaves the code out where it is 0.
func EndsProcess(t TypeCode, s StatusCode) bool {
	return t == containerCode && (s == diedCode || s == execDiedCode)
}

// filterKeys are all keys, as suggested in errors.
var filterKeys = []string{
	"ancestor", "artifact", "container", "event", "exit-code", "health", "host", "id", "image", "label", "machine", "name",
	"network", "pod", "secret", "status", "type", "uid", "volume",
}

// Keys returns the keys of the filter grammar, sorted.
func Keys() []string { return slices.Clone(filterKeys) }

// clause is one filter.
type clause struct {
	key      filterKey
	negated  bool // key!=value: an event that the clause describes does not pass
	must     bool // +key=value: only events that the clause describes pass
	value    string
	labelVal string   // for label=k=v
	anyLabel bool     // label=k, with any value
	number   int64    // uid or exit code
	code     uint8    // of a type or status; of the type for an object key
	pattern  *pattern // of a name or ID, nil: value is literal
	changed  bool     // health=changed
}

// group is the filters of one key. An event passes if it matches any of those without a
// sign, if there are some, all that start with '+', and none of the negated ones.
type group struct {
	any    []clause
	all    []clause
	none   []clause
	labels *labelClauses // several filters on labels, nil: the clauses decide
	// changed: one of them is health=changed.
	changed bool
}

// everyUser, as the value of uid, is every user, known or not.
const everyUser = "*"

// IsAll reports whether every event passes.
func (f *Filters) IsAll() bool {
	return f == nil || len(f.groups) == 0 && f.noTypes == 0 && f.noStatuses == 0
}

// ChooseUsers reports whether there is a filter on uid, so that the filters decide
// whose events are wanted.
func (f *Filters) ChooseUsers() bool { return f != nil && f.users }

// MayMatch reports whether an event of one of these types and statuses can pass; bit n
// stands for code n. False is certain; true is not.
func (f *Filters) MayMatch(types, statuses uint64) bool {
	return f == nil || types&^f.noTypes != 0 && statuses&^f.noStatuses != 0
}

// Match reports whether the event in the view passes the filters.
func (f *Filters) Match(v *View) bool {
	if f == nil {
		return true
	}
	if f.noTypes>>v.TypeCode&1 != 0 || f.noStatuses>>v.StatusCode&1 != 0 {
		return false
	}
	for i := range f.groups {
		if !f.groups[i].match(v) {
			return false
		}
	}
	return true
}

func (g *group) match(v *View) bool {
	switch {
	case g.labels != nil:
		return g.labels.match(v.Labels, len(g.any) == 0)
	case g.changed:
		// A Changes needs every verdict to detect changes; it decides later.
		return len(g.any)+len(g.all) == 0 || v.isVerdict()
	}
	return g.decide(v, false)
}

// decide reports whether the clauses let an event pass, which health=changed describes if
// changed is true.
func (g *group) decide(v *View, changed bool) bool {
	for i := range g.none {
		if g.none[i].match(v, changed) {
			return false
		}
	}
	for i := range g.all {
		if !g.all[i].match(v, changed) {
			return false
		}
	}
	for i := range g.any {
		if g.any[i].match(v, changed) {
			return true
		}
	}
	return len(g.any) == 0
}

// match reports whether the clause describes the event, regardless of negation. changed
// is the answer of health=changed, which a Changes knows.
func (c *clause) match(v *View, changed bool) bool {
	switch c.key {
	case keyType:
		return uint8(v.TypeCode) == c.code && (c.code != 0 || v.Type == c.value)
	case keyStatus:
		return uint8(v.StatusCode) == c.code && (c.code != 0 || v.Status == c.value)
	case keyLabel:
		return c.matchLabel(v)
	case keyID:
		return c.isID(v.ID)
	case keyName:
		return c.isNameOf(v)
	case keyAncestor:
		return v.TypeCode == containerCode && c.is(v.Image)
	case keyUID:
		return c.value == everyUser || v.UID == c.number
	case keyHost:
		return c.is(v.Host)
	case keyHealth:
		return c.changed && changed || !c.changed && v.isVerdict() && v.Health == c.value
	case keyExitCode:
		code, has := v.exitCode()
		return has && code == c.number
	}
	if uint8(v.TypeCode) != c.code {
		return false
	}
	if c.code == uint8(volumeCode) && c.pattern == nil {
		return strings.HasPrefix(v.Name, c.value)
	}
	return c.isNameOf(v) || c.isID(v.ID)
}

// is reports whether a name equals the clause's value, or matches its pattern.
func (c *clause) is(name string) bool {
	if c.pattern != nil {
		return c.pattern.match(name)
	}
	return name == c.value
}

// isID reports whether an ID begins with the clause's value, or matches its pattern.
func (c *clause) isID(id string) bool {
	if c.pattern != nil {
		return c.pattern.match(id)
	}
	return strings.HasPrefix(id, c.value)
}

// isNameOf reports whether the object has the name. libpod puts the name of a network
// into a field of its own.
func (c *clause) isNameOf(v *View) bool {
	return c.is(v.Name) || v.TypeCode == networkCode && c.is(v.Network)
}

// isVerdict reports whether the event is a health check's verdict.
func (v *View) isVerdict() bool { return v.TypeCode == containerCode && v.StatusCode == healthCode }

// exitCode returns the exit code of a container or of a process in one.
func (v *View) exitCode() (code int64, has bool) {
	if v.TypeCode != containerCode || endCodes>>v.StatusCode&1 == 0 {
		return 0, false
	}
	return v.ExitCode, v.HasExitCode || EndsProcess(v.TypeCode, v.StatusCode)
}

// matchLabel follows Podman: label=k matches the label with any value, label=k= with an
// empty one.
func (c *clause) matchLabel(v *View) bool {
	value, ok := v.Labels.Lookup(c.value)
	return ok && (c.anyLabel || value == c.labelVal)
}
