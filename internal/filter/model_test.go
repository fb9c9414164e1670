package filter_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// modelMatch is the meaning of filters as io.podman.events.varlink describes
// it, without codes, sets or short cuts.
func modelMatch(filters []string, e *events.Event) bool {
	chosen := make(map[string]bool) // key: whether one of its filters matches
	for _, filter := range filters {
		key, value, _ := strings.Cut(filter, "=")
		key, must := strings.CutPrefix(key, "+")
		key, negated := strings.CutSuffix(strings.ToLower(key), "!")
		if key == "event" {
			key = "status"
		}
		matches := modelMatchOne(key, value, e)
		if negated {
			if matches {
				return false
			}
			continue
		}
		if must {
			if !matches {
				return false
			}
			continue
		}
		chosen[key] = chosen[key] || matches
	}
	for _, matches := range chosen {
		if !matches {
			return false
		}
	}
	return true
}

// modelPattern returns the regular expression that a value stands for.
func modelPattern(value string) *regexp.Regexp {
	if !utf8.ValidString(value) { // which no name is
		return regexp.MustCompile("a^")
	}
	text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(value))
	return regexp.MustCompile("(?s)^" + text + "$")
}

func modelMatchOne(key, value string, e *events.Event) bool {
	is := func(name string) bool { return name == value }
	begins := func(name string) bool { return strings.HasPrefix(name, value) }
	if strings.ContainsAny(value, "*?") {
		pattern := modelPattern(value)
		is = func(name string) bool { return name != "" && pattern.MatchString(name) }
		begins = is
	}
	name := is(e.Name) || e.Type == events.Network && is(e.Network)
	switch key {
	case "health":
		return e.Type == events.Container && e.Status == events.HealthStatus && e.HealthStatus == strings.TrimPrefix(value, "raw:")
	case "exit-code":
		if e.Type != events.Container {
			return false
		}
		switch {
		case e.Status == events.Exited, e.Status == events.ExecDied:
			return e.ContainerExitCode == nil && value == "0" || e.ContainerExitCode != nil && fmt.Sprint(*e.ContainerExitCode) == value
		case e.Status == events.Remove:
			return e.ContainerExitCode != nil && fmt.Sprint(*e.ContainerExitCode) == value
		}
		return false
	case "type":
		return string(e.Type) == strings.TrimPrefix(value, "raw:")
	case "status":
		raw, isRaw := strings.CutPrefix(value, "raw:")
		switch {
		case isRaw:
			value = raw
		case value == "die":
			value = "died"
		case value == "destroy" || value == "delete" || value == "rm":
			value = "remove"
		case value == "exec_die":
			value = "exec_died"
		case value == "auto_update" || value == "log_rotation" || value == "pull_error":
			value = strings.ReplaceAll(value, "_", "-")
		}
		return string(e.Status) == value
	case "label":
		label, want, hasValue := strings.Cut(value, "=")
		got, ok := e.Attributes[label]
		return ok && (!hasValue || got == want)
	case "id":
		return begins(e.ID)
	case "name":
		return name
	case "ancestor":
		return e.Type == events.Container && is(e.Image)
	case "uid":
		return value == "*" || e.UID != nil && fmt.Sprint(*e.UID) == value
	case "host":
		return is(e.Host)
	case "volume":
		if strings.ContainsAny(value, "*?") {
			return e.Type == events.Volume && (is(e.Name) || is(e.ID))
		}
		return e.Type == events.Volume && begins(e.Name)
	}
	return string(e.Type) == key && (name || begins(e.ID))
}

// Few words, so that filters and events meet often.
var (
	modelNames  = []string{"a", "b", "ab", "abc", "ba"}
	modelLabels = []string{"k", "l"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomEvent(r *rand.Rand) events.Event {
	name := func() string {
		if r.IntN(4) == 0 {
			return ""
		}
		return pick(r, modelNames)
	}
	e := events.Event{
		Type: pick(r, append(events.Types(), "gadget", "gizmo", events.Container)), ID: name(), Name: name(), Image: name(),
		Status: pick(r, append(events.Statuses(), "levitate", "vanish", "auto_update", events.Create, events.Exited)),
	}
	if r.IntN(2) == 0 {
		e.Network = name()
	}
	if r.IntN(2) == 0 {
		e.Attributes = map[string]string{pick(r, modelLabels): name()}
	}
	if r.IntN(2) == 0 {
		e.UID = uid(r.Uint32N(3))
	}
	if r.IntN(3) == 0 {
		e.Host = name()
	}
	switch r.IntN(4) {
	case 0:
		e.Type, e.Status, e.HealthStatus = events.Container, events.HealthStatus, pick(r, []string{"healthy", "unhealthy", "starting", "reset", ""})
	case 1:
		e.Type, e.Status = events.Container, pick(r, []events.Status{events.Exited, events.ExecDied, events.Remove, events.Start})
		if code := r.IntN(3); r.IntN(2) == 0 {
			e.ContainerExitCode = &code
		}
	}
	return e
}

func randomFilter(r *rand.Rand) string {
	key := pick(r, filter.Keys())
	value := pick(r, modelNames)
	switch key {
	case "type":
		value = pick(r, append(events.Types(), "raw:gadget", "raw:gizmo", "raw:pod", events.Container)).String()
	case "status", "event":
		value = pick(r, append(events.Statuses(), "raw:levitate", "raw:vanish", "raw:create", "raw:auto_update", "die", "rm", "exec_die",
			"auto_update", "log_rotation", "pull_error", events.Create, events.Exited)).String()
	case "label":
		value = pick(r, modelLabels) + pick(r, []string{"", "=", "=" + value})
	case "uid":
		value = pick(r, []string{"0", "1", "2", "4294967295"})
	case "health":
		value = pick(r, []string{"healthy", "unhealthy", "starting", "raw:reset"})
	case "exit-code":
		value = pick(r, []string{"0", "1", "2", "-1"})
	default:
		if r.IntN(3) == 0 {
			value = pick(r, []string{"*", "a*", "*b", "?b", "a?", "*a*", "??", "b*a", "?*?"})
		}
	}
	switch r.IntN(5) {
	case 0:
		key = strings.ToUpper(key)
	case 1:
		key += "!"
	case 2:
		key = "+" + key
	}
	return key + "=" + value
}

// Filters match what the contract describes.
func TestMatch_model(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	matched, ruledOut := 0, 0
	const rounds = 200_000
	for range rounds {
		filters := make([]string, r.IntN(5))
		for i := range filters {
			filters[i] = randomFilter(r)
		}
		f, err := filter.Parse(filters)
		if err != nil {
			t.Fatalf("%q: %v", filters, err)
		}
		e := randomEvent(r)
		v := testkit.View(&e)
		want := modelMatch(filters, &e)
		if got := f.Match(v); got != want {
			t.Fatalf("%q matches %+v: %t, want %t", filters, e, got, want)
		}
		// A block holds the event among others, whose types and statuses are any.
		types, statuses := r.Uint64()&r.Uint64(), r.Uint64()&r.Uint64()
		for _, other := range []uint64{0, ^uint64(0)} {
			types, statuses := types&other|1<<v.TypeCode, statuses&other|1<<v.StatusCode
			may := f.MayMatch(types, statuses)
			if want && !may {
				t.Fatalf("%q matches %+v, but MayMatch(%#x, %#x) says that nothing there can", filters, e, types, statuses)
			}
			if !may {
				ruledOut++
			}
		}
		if outcomes := f.Outcomes(); want && outcomes>>v.Outcome()&1 == 0 {
			t.Fatalf("%q matches %+v, whose outcome %d is none of %#x", filters, e, v.Outcome(), outcomes)
		}
		if objects, ok := f.Objects(); want && ok && !isAbout(&objects, &e) {
			t.Fatalf("%q matches %+v, which is about none of %+v", filters, e, objects)
		}
		if want {
			matched++
		}
	}
	// The test would prove nothing if next to nothing or next to everything matched, or if nothing was ruled out.
	if matched < rounds/20 || matched > rounds*19/20 || ruledOut < rounds/20 {
		t.Errorf("of %d rounds %d matched, and MayMatch ruled out %d", rounds, matched, ruledOut)
	}
}

// isAbout reports whether the event is about one of the objects.
func isAbout(o *filter.Objects, e *events.Event) bool {
	begins := func(with []string, s string) bool {
		return slices.ContainsFunc(with, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
	}
	return begins(o.IDs, e.ID) || slices.Contains(o.Names, e.Name) || slices.Contains(o.Names, e.Network) ||
		begins(o.Beginnings, e.Name) || begins(o.Beginnings, e.Network)
}

// FuzzParse gives a list of filters, one a line.
func FuzzParse(f *testing.F) {
	for _, test := range single {
		f.Add(test.filter)
		f.Add(negate(test.filter))
	}
	for _, text := range []string{
		"type=pod\ntype=volume\nstatus!=create", "EVENT=die\nevent!=raw:x", "label=a=b=c\nlabel!=", "uid=00\nuid!=+1",
		"type!=raw:\xff", "=\n!=\n\n==", "status=Auto_Update", "+label=a\n+label=b=c", "+label=a\n+label=a=b\nlabel!=a=c",
		"name=*w?b*\n+id!=*a", "health=healthy\nhealth!=raw:reset", "exit-code=-1\nexit-code!=007", "uid=*", "+uid=*", "label=a!=b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filters := strings.Split(text, "\n")
		parsed, err := filter.Parse(filters)
		if err != nil {
			bad, ok := err.(*filter.Error) //nolint:errorlint // it is returned as it is
			if !ok || parsed != nil || bad.Reason == "" || !strings.Contains("\n"+text+"\n", "\n"+bad.Filter+"\n") {
				t.Fatalf("%q: %v, %#v", filters, parsed, err)
			}
			// The filter that is blamed is refused alone, too; those before it are not.
			if strings.HasPrefix(bad.Reason, "the patterns are too long together") {
				return
			}
			if _, err := filter.Parse([]string{bad.Filter}); err == nil {
				t.Fatalf("%q is refused in %q, but not alone", bad.Filter, filters)
			}
			return
		}
		if strings.Contains(strings.ToLower(text), "=changed") { // which this asks of one event alone
			return
		}
		if parsed.IsAll() && !strings.Contains(text, "=*") {
			t.Fatalf("%q are said to let everything pass", filters)
		}
		for _, n := range assorted {
			v := testkit.View(&n.event)
			matches := parsed.Match(v)
			if want := modelMatch(filters, &n.event); matches != want && !ambiguous(filters) {
				t.Fatalf("%q matches %s: %t, want %t", filters, n.word, matches, want)
			}
			if matches && !parsed.MayMatch(1<<v.TypeCode, 1<<v.StatusCode) {
				t.Fatalf("%q matches %s, but MayMatch says that nothing like it can", filters, n.word)
			}
			if len(filters) > 1 {
				continue
			}
			key, value, _ := strings.Cut(strings.TrimPrefix(filters[0], "+"), "=")
			if bare, negated := strings.CutSuffix(key, "!"); negated {
				key = bare
			} else {
				key += "!"
			}
			opposite, err := filter.Parse([]string{key + "=" + value})
			if value == "*" && strings.HasPrefix(strings.ToLower(key), "uid") { // which has none
				continue
			}
			if err != nil || opposite.Match(v) == matches {
				t.Fatalf("%q matches %s: %t, and so does its opposite, error %v", filters, n.word, matches, err)
			}
		}
	})
}

// ambiguous reports whether a number of a filter has another form than its
// shortest, which the model compares as text.
func ambiguous(filters []string) bool {
	for _, filter := range filters {
		if key, value, _ := strings.Cut(strings.ToLower(filter), "="); (strings.Contains(key, "uid") || strings.Contains(key, "exit-code")) && len(value) > 1 {
			if strings.ContainsAny(value[:1], "0+-") {
				return true
			}
		}
	}
	return false
}
