package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eventsvc/eventsvc/internal/nearest"
)

// rawPrefix marks a type or status of a newer libpod.
const rawPrefix = "raw:"

// Error is returned for an invalid filter.
type Error struct {
	Filter string // as given
	Reason string // why it is invalid, and the nearest valid word
}

func (e *Error) Error() string {
	return "cannot understand filter " + strconv.Quote(e.Filter) + ": " + e.Reason
}

// Parse parses filters of the form key=value, key!=value or +key=value, in an extension
// of Podman 5's grammar: keys are case-insensitive, values are not. The error is a
// *Error that names the filter and the nearest valid word.
func Parse(filters []string) (*Filters, error) {
	f := new(Filters)
	if len(filters) == 0 {
		return f, nil
	}
	byKey := make(map[filterKey]*group)
	var order []filterKey
	patterns := 0 // bytes
	for _, text := range filters {
		c, reason := parseFilter(text)
		if c.pattern != nil {
			if patterns += len(c.value); patterns > maxPatterns && reason == "" {
				reason = "the patterns are too long together; give at most " + strconv.Itoa(maxPatterns) + " bytes"
			}
		}
		if reason != "" {
			return nil, &Error{Filter: text, Reason: reason}
		}
		g := byKey[c.key]
		if g == nil {
			g = new(group)
			byKey[c.key] = g
			order = append(order, c.key)
		}
		switch {
		case c.negated:
			g.none = append(g.none, c)
		case c.must:
			g.all = append(g.all, c)
		default:
			g.any = append(g.any, c)
		}
	}
	for _, key := range order {
		g := byKey[key]
		if key == keyLabel && len(g.any)+len(g.all)+len(g.none) > 1 {
			g.labels = newLabelClauses(g)
		}
		g.changed = slices.ContainsFunc(slices.Concat(g.any, g.all, g.none), func(c clause) bool { return c.changed })
		f.users = f.users || key == keyUID
		f.add(key, *g)
	}
	return f, nil
}

// add adds the filters of one key. Those that the sets of types and statuses can decide
// alone become part of the sets.
func (f *Filters) add(key filterKey, g group) {
	object, isObject := objectKeys[key]
	chooses := len(g.any)+len(g.all) > 0
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
	case key == keyUID:
		every := func(c clause) bool { return c.value == everyUser }
		if slices.ContainsFunc(g.any, every) {
			g.any = nil
		}
		if g.all = slices.DeleteFunc(g.all, every); len(g.any)+len(g.all)+len(g.none) == 0 {
			return
		}
	case chooses && isObject:
		f.noTypes |= ^(uint64(1) << object)
	case chooses && key == keyAncestor:
		f.noTypes |= ^(uint64(1) << containerCode)
	case chooses && key == keyHealth:
		f.noTypes |= ^(uint64(1) << containerCode)
		f.noStatuses |= ^(uint64(1) << healthCode)
	case chooses && key == keyExitCode:
		f.noTypes |= ^(uint64(1) << containerCode)
		f.noStatuses |= ^endCodes
	}
	f.groups = append(f.groups, g)
	if g.changed {
		f.changed = len(f.groups)
	}
}

// wordSet returns the codes that filters on a type or status let pass, and whether the
// codes decide alone. They do not for words without a code.
func wordSet(g *group) (set uint64, decided bool) {
	set, decided = ^uint64(0), true
	if len(g.any) > 0 {
		set = 0
		for _, c := range g.any {
			set |= 1 << c.code
			decided = decided && c.code != 0
		}
	}
	for _, c := range g.all {
		set &= 1 << c.code
		decided = decided && c.code != 0
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

// parseFilter parses one filter. The reason is empty if the filter is valid.
func parseFilter(text string) (clause, string) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return clause{}, "it has no '='; give key=value or key!=value"
	}
	key, must := strings.CutPrefix(key, "+")
	key, negated := strings.CutSuffix(key, "!")
	c := clause{key: filterKey(strings.ToLower(key)), value: value, negated: negated, must: must}
	if c.key == "event" {
		c.key = keyStatus
	}
	object, isObject := objectKeys[c.key]
	if !isObject && !slices.Contains(filterKeys, string(c.key)) {
		return c, unknownKeyReason(key)
	}
	reason := ""
	switch {
	case value == "":
	case c.key != keyLabel && foreignSyntax(text, value) != "":
		reason = foreignSyntax(text, value)
	case isObject:
		c.code = uint8(object)
		reason = c.parsePattern()
	case c.key == keyType, c.key == keyStatus:
		reason = c.parseWord()
	case c.key == keyLabel:
		reason = c.parseLabel()
	case c.key == keyUID:
		reason = c.parseUID()
	case c.key == keyHealth:
		reason = c.parseHealth()
	case c.key == keyExitCode:
		reason = c.parseExitCode()
	default:
		reason = c.parsePattern()
	}
	if reason == "" && c.value == "" {
		reason = "it has no value; give " + key + "=VALUE"
	}
	return c, reason
}

func (c *clause) parseUID() string {
	if c.value == everyUser {
		if c.negated {
			return "every event has a user, known or not; give uid!=NUMBER"
		}
		return ""
	}
	uid, err := strconv.ParseUint(c.value, 10, 32)
	if err != nil {
		return "uid takes a number from 0 to 4294967295, or * for every user"
	}
	c.number = int64(uid)
	return ""
}

// The bounds of an exit code, with or without a sign.
const (
	leastExitCode = -1 << 31
	mostExitCode  = 1<<32 - 1
)

func (c *clause) parseExitCode() string {
	code, err := strconv.ParseInt(c.value, 10, 64)
	if err != nil || code < leastExitCode || code > mostExitCode {
		return "exit-code takes a number, such as 0 or 137; exit-code!=0 is every other"
	}
	c.number, c.value = code, strconv.FormatInt(code, 10)
	return ""
}

// parseLabel splits label=k=v. A negation in the wrong place is refused: it would
// silently match a label whose name ends in '!'.
func (c *clause) parseLabel() string {
	name, value, found := strings.Cut(c.value, "=")
	if wrong, ok := strings.CutSuffix(name, "!"); ok && found {
		return "no label has a name that ends in '!'; give label!=" + wrong + "=" + value + " for events without it"
	}
	c.value, c.labelVal, c.anyLabel = name, value, !found
	return ""
}

// parseWord parses a type or a status.
func (c *clause) parseWord() string {
	kind, words, hint := "event type", typeWords[:], foreign(foreignTypes, "event type", c.value)
	if c.key == keyStatus {
		kind, words, hint = "event status", statusWords[:], ForeignStatus(c.value)
	}
	if raw, ok := strings.CutPrefix(c.value, rawPrefix); ok {
		if raw == "" {
			return "it has no word after 'raw:'"
		}
		c.value, c.code = raw, uint8(max(0, slices.Index(words, raw)))
		return ""
	}
	if c.code = uint8(TypeOf(c.value)); c.key == keyStatus {
		c.code = uint8(Status(c.value))
	}
	switch {
	case c.code != 0:
		c.value = words[c.code]
		return ""
	case hint != "":
		return hint
	}
	return UnknownWord(kind, c.value, nearest.Word(c.value, words[1:])) + " (a word of a newer libpod is written " + string(c.key) + "=raw:WORD)"
}

// verdicts are those of a health check that libpod writes into its events.
var verdicts = []string{"healthy", "starting", "unhealthy"}

// changedVerdict, as the value of health, selects verdicts that differ from the one
// before.
const changedVerdict = "changed"

func (c *clause) parseHealth() string {
	if raw, ok := strings.CutPrefix(c.value, rawPrefix); ok && raw != "" {
		c.value = raw
		return ""
	}
	if c.changed = c.value == changedVerdict; c.changed || slices.Contains(verdicts, c.value) {
		return ""
	}
	reason := "unknown verdict of a health check " + strconv.Quote(c.value)
	if near := nearest.Word(c.value, append(slices.Clip(verdicts), changedVerdict)); near != "" {
		return reason + ", did you mean " + strconv.Quote(near) + "?"
	}
	return reason + "; give " + strings.Join(verdicts, ", ") + " or " + changedVerdict + " (a word of a newer libpod is written health=raw:WORD)"
}

func unknownKeyReason(key string) string {
	if hint := foreign(foreignKeys, "filter", key); hint != "" {
		return hint
	}
	if near := nearest.Word(key, filterKeys); near != "" {
		return "unknown key " + strconv.Quote(key) + ", did you mean " + strconv.Quote(near) + "?"
	}
	return "unknown key " + strconv.Quote(key) + "; keys are " + strings.Join(filterKeys, ", ")
}
