package events

import (
	"slices"
	"strconv"
	"strings"
)

// Filters is a choice of events: the same key given again widens it, different
// keys narrow it. The zero value matches every event. It is immutable, and safe
// for concurrent use.
type Filters struct {
	noTypes    uint64 // bit n: the type with code n does not pass
	noStatuses uint64 // bit n: the status with code n does not pass
	groups     []group
	users      bool // there is a filter on uid
}

// View is what filters look at: an event, or a line of a store of which no
// Event was made. An empty string is an absent field. Type and Status are looked
// at only where the code is 0.
type View struct {
	TypeCode   TypeCode
	StatusCode StatusCode
	Type       Type
	Status     Status
	ID         string
	Name       string
	Image      string
	Network    string
	Host       string
	UID        int64 // negative: not known
	Labels     Labels
}

// View returns what filters look at.
func (e *Event) View() View {
	v := View{
		TypeCode: CodeOfType(e.Type), StatusCode: CodeOfStatus(e.Status), Type: e.Type, Status: e.Status,
		ID: e.ID, Name: e.Name, Image: e.Image, Network: e.Network, Host: e.Host,
		UID: -1, Labels: Labels{Map: e.Attributes},
	}
	if e.UID != nil {
		v.UID = int64(*e.UID)
	}
	return v
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
)

// objectKeys are the keys that name an object of a type: equal name or prefix
// of the ID, except volume, which is a prefix of the name.
var objectKeys = map[filterKey]TypeCode{
	"artifact": tableCode(Artifact), "container": tableCode(Container), "image": tableCode(Image),
	"machine": tableCode(Machine), "network": tableCode(Network), "pod": tableCode(Pod),
	"secret": tableCode(Secret), "volume": tableCode(Volume),
}

// The codes of types that the filters treat apart. Package-level variables are
// initialized from the table, before any filter is parsed.
var (
	containerCode = tableCode(Container)
	networkCode   = tableCode(Network)
)

// tableCode looks a type up in the table itself, which unlike the map of codes
// is there while package-level variables are initialized.
func tableCode(t Type) TypeCode {
	for code, word := range typeWords {
		if word == t {
			return TypeCode(code)
		}
	}
	return 0
}

// filterKeys are all keys, as errors suggest them.
var filterKeys = []string{
	"ancestor", "artifact", "container", "event", "host", "id", "image", "label", "machine", "name", "network",
	"pod", "secret", "status", "type", "uid", "volume",
}

// FilterKeys returns the keys of the filter grammar, sorted.
func FilterKeys() []string { return append([]string(nil), filterKeys...) }

// clause is one filter: a key, its value, and whether it is negated.
type clause struct {
	key      filterKey
	negated  bool
	value    string
	labelVal string // for label=k=v
	anyLabel bool   // label=k, with any value
	uid      int64
	code     uint8 // of a type or status; of the type for an object key
	volume   bool
}

// group holds the filters of one key. An event passes if it matches any of
// those that are not negated, where there are some, and all negated ones.
type group struct {
	any    []clause
	none   []clause
	labels labelClauses // of several filters on labels, nil: any and none decide
}

// everyUser as the value of uid is every user, known or not.
const everyUser = "*"

// rawPrefix marks a type or status of a newer libpod.
const rawPrefix = "raw:"

// ParseFilters understands filters of the form key=value or key!=value, in
// Podman 5's grammar: keys are case-insensitive, values are not. The error is a
// *FilterError that names the filter and the nearest valid word.
func ParseFilters(filters []string) (*Filters, error) {
	f := new(Filters)
	if len(filters) == 0 {
		return f, nil
	}
	byKey := make(map[filterKey]*group)
	var order []filterKey
	for _, text := range filters {
		c, reason := parseFilter(text)
		if reason != "" {
			return nil, &FilterError{Filter: text, Reason: reason}
		}
		g := byKey[c.key]
		if g == nil {
			g = new(group)
			byKey[c.key] = g
			order = append(order, c.key)
		}
		if c.negated {
			g.none = append(g.none, c)
		} else {
			g.any = append(g.any, c)
		}
	}
	for _, key := range order {
		g := byKey[key]
		if key == keyLabel && len(g.any)+len(g.none) > 1 {
			g.labels = newLabelClauses(g)
		}
		f.users = f.users || key == keyUID
		f.add(key, *g)
	}
	return f, nil
}

// add narrows the choice by the filters of one key. Whatever the sets of types
// and statuses can decide alone is left to them.
func (f *Filters) add(key filterKey, g group) {
	object, isObject := objectKeys[key]
	switch {
	case key == keyType:
		set, decided := wordSet(&g)
		f.noTypes |= ^set
		if decided {
			return
		}
	case key == keyStatus:
		set, decided := wordSet(&g)
		f.noStatuses |= ^set
		if decided {
			return
		}
	case key == keyUID && slices.ContainsFunc(g.any, func(c clause) bool { return c.value == everyUser }):
		if g.any = nil; len(g.none) == 0 {
			return
		}
	case len(g.any) > 0 && isObject:
		f.noTypes |= ^(uint64(1) << object)
	case len(g.any) > 0 && key == keyAncestor:
		f.noTypes |= ^(uint64(1) << containerCode)
	}
	f.groups = append(f.groups, g)
}

// wordSet returns the codes that filters on a type or status let pass, and
// whether the codes decide alone, which they do not for words without one.
func wordSet(g *group) (set uint64, decided bool) {
	set, decided = ^uint64(0), true
	if len(g.any) > 0 {
		set = 0
		for _, c := range g.any {
			set |= 1 << c.code
			decided = decided && c.code != 0
		}
	}
	for _, c := range g.none {
		if c.code == 0 {
			decided = false
			continue
		}
		set &^= 1 << c.code
	}
	return set, decided
}

// parseFilter understands one filter. The reason is empty if it could.
func parseFilter(text string) (clause, string) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return clause{}, "it has no '='; give key=value or key!=value"
	}
	key, negated := strings.CutSuffix(key, "!")
	c := clause{key: filterKey(strings.ToLower(key)), value: value, negated: negated}
	if c.key == "event" {
		c.key = keyStatus
	}
	object, isObject := objectKeys[c.key]
	switch {
	case isObject:
		c.code, c.volume = uint8(object), c.key == "volume"
	case c.key == keyType || c.key == keyStatus:
		if value != "" {
			return parseWordFilter(c)
		}
	case c.key == keyLabel:
		c.value, c.labelVal, found = strings.Cut(value, "=")
		c.anyLabel = !found
	case c.key == keyUID && value == everyUser:
		if negated {
			return c, "no event has no user; give uid!=NUMBER"
		}
	case c.key == keyUID:
		uid, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return c, "uid takes a number from 0 to 4294967295, or * for every user"
		}
		c.uid = int64(uid)
	case c.key == keyID, c.key == keyName, c.key == keyAncestor, c.key == keyHost:
	default:
		return c, unknownKeyReason(key)
	}
	if c.value == "" {
		return c, "it has no value; give " + key + "=VALUE"
	}
	return c, ""
}

func parseWordFilter(c clause) (clause, string) {
	if raw, ok := strings.CutPrefix(c.value, rawPrefix); ok {
		if raw == "" {
			return c, "it has no word behind 'raw:'"
		}
		c.value = raw
		c.code = uint8(CodeOfType(raw))
		if c.key == keyStatus {
			c.code = uint8(CodeOfStatus(raw))
		}
		return c, ""
	}
	if c.key == keyType {
		t, err := StringToType(c.value)
		if err != nil {
			return c, wordReason(err, c)
		}
		c.value, c.code = string(t), uint8(CodeOfType(t))
		return c, ""
	}
	s, err := StringToStatus(c.value)
	if err != nil {
		return c, wordReason(err, c)
	}
	c.value, c.code = string(s), uint8(CodeOfStatus(s))
	return c, ""
}

func wordReason(err error, c clause) string {
	return err.Error() + " (a word of a newer libpod is written " + string(c.key) + "=raw:WORD)"
}

func unknownKeyReason(key string) string {
	if near := nearest(key, filterKeys); near != "" {
		return "unknown key " + strconv.Quote(key) + ", did you mean " + strconv.Quote(near) + "?"
	}
	return "unknown key " + strconv.Quote(key) + "; keys are " + strings.Join(filterKeys, ", ")
}

// Match reports whether the event passes the filters.
func (f *Filters) Match(e *Event) bool {
	v := e.View()
	return f.MatchView(&v)
}

// Func returns the filters as libpod's function type.
func (f *Filters) Func() EventFilter { return f.Match }

// IsAll reports whether every event passes.
func (f *Filters) IsAll() bool {
	return f == nil || len(f.groups) == 0 && f.noTypes == 0 && f.noStatuses == 0
}

// ChooseUsers reports whether there is a filter on uid, so that the filters say
// whose events are wanted.
func (f *Filters) ChooseUsers() bool { return f != nil && f.users }

// MayMatch reports whether an event of one of these types and one of these
// statuses can pass; bit n stands for code n. It is for skipping what cannot
// match: true promises nothing.
func (f *Filters) MayMatch(types, statuses uint64) bool {
	return f == nil || types&^f.noTypes != 0 && statuses&^f.noStatuses != 0
}

// MatchView reports whether what the view shows passes the filters.
func (f *Filters) MatchView(v *View) bool {
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
	if g.labels != nil {
		return g.labels.match(v.Labels, len(g.any) == 0)
	}
	for i := range g.none {
		if g.none[i].match(v) {
			return false
		}
	}
	for i := range g.any {
		if g.any[i].match(v) {
			return true
		}
	}
	return len(g.any) == 0
}

// match reports whether the event is the one that the clause describes, apart
// from its negation.
func (c *clause) match(v *View) bool {
	switch c.key {
	case keyType:
		return uint8(v.TypeCode) == c.code && (c.code != 0 || string(v.Type) == c.value)
	case keyStatus:
		return uint8(v.StatusCode) == c.code && (c.code != 0 || string(v.Status) == c.value)
	case keyLabel:
		return c.matchLabel(v)
	case keyID:
		return strings.HasPrefix(v.ID, c.value)
	case keyName:
		return v.isNamed(c.value)
	case keyAncestor:
		return v.TypeCode == containerCode && v.Image == c.value
	case keyUID:
		return v.UID == c.uid
	case keyHost:
		return v.Host == c.value
	}
	if uint8(v.TypeCode) != c.code {
		return false
	}
	if c.volume {
		return strings.HasPrefix(v.Name, c.value)
	}
	return v.isNamed(c.value) || strings.HasPrefix(v.ID, c.value)
}

// isNamed reports whether the object has the name. libpod puts the name of a
// network into a field of its own.
func (v *View) isNamed(name string) bool {
	return v.Name == name || v.TypeCode == networkCode && v.Network == name
}

// matchLabel follows Podman: label=k asks for the label with any value, label=k=
// for the label with an empty one.
func (c *clause) matchLabel(v *View) bool {
	value, ok := v.Labels.Lookup(c.value)
	return ok && (c.anyLabel || value == c.labelVal)
}
