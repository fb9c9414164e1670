package filter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func uid(n uint32) *uint32 { return &n }

func number(n int) *int { return &n }

// named is an event that tests speak of by a word.
type named struct {
	word  string
	event events.Event
}

// assorted are events of every type, such as Podman writes them.
var assorted = []named{
	{"web-create", events.Event{
		Type: events.Container, Status: events.Create, ID: "aaa111", Name: "web", Image: "docker.io/library/nginx:latest",
		Details: events.Details{Attributes: map[string]string{"app": "shop", "empty": "", "eq": "a=b"}}, UID: uid(0), Host: "one",
	}},
	{"web-died", events.Event{
		Type: events.Container, Status: events.Exited, ID: "aaa111", Name: "web", Image: "docker.io/library/nginx:latest",
		Details: events.Details{Attributes: map[string]string{"app": "shop"}}, UID: uid(0), Host: "one", ContainerExitCode: number(7),
	}},
	{"db-create", events.Event{
		Type: events.Container, Status: events.Create, ID: "aab222", Name: "db", Image: "localhost/db:1",
		Details: events.Details{PodID: "ddd444", Attributes: map[string]string{"app": "ledger"}}, UID: uid(1000), Host: "two",
	}},
	{"db-levitate", events.Event{Type: events.Container, Status: "levitate", ID: "aab222", Name: "db", Image: "localhost/db:1"}},
	{"nginx-pull", events.Event{Type: events.Image, Status: events.Pull, ID: "ccc333", Name: "docker.io/library/nginx:latest"}},
	{"nginx-failed", events.Event{Type: events.Image, Status: events.PullError, Name: "docker.io/library/nginx:2"}},
	{"shop-create", events.Event{Type: events.Pod, Status: events.Create, ID: "ddd444", Name: "shop"}},
	{"data-create", events.Event{Type: events.Volume, Status: events.Create, Name: "data"}},
	{"data2-remove", events.Event{Type: events.Volume, Status: events.Remove, Name: "data2"}},
	{"front-create", events.Event{
		Type: events.Network, Status: events.Create, ID: "eee555", Network: "front",
		Details: events.Details{Attributes: map[string]string{"driver": "bridge"}},
	}},
	{"front-connect", events.Event{Type: events.Network, Status: events.NetworkConnect, ID: "aaa111", Network: "front"}},
	{"key-create", events.Event{Type: events.Secret, Status: events.Create, ID: "fff666", Name: "key"}},
	{"vm-start", events.Event{Type: events.Machine, Status: events.Start, Name: "vm"}},
	{"chart-push", events.Event{Type: events.Artifact, Status: events.Push, ID: "bbb777", Name: "quay.io/chart:1"}},
	{"refresh", events.Event{Type: events.System, Status: events.Refresh}},
	{"rotated", events.Event{Type: events.System, Status: events.Rotate, Name: "/run/libpod/events/events.log"}},
	{"updated", events.Event{Type: events.System, Status: events.AutoUpdate}},
	{"web-unhealthy", events.Event{Type: events.Container, Status: events.HealthStatus, ID: "caa111", Name: "checked", HealthStatus: "unhealthy"}},
	{"old-died", events.Event{Type: events.Container, Status: events.ExecDied, ID: "caa112", Name: "old"}},
	{"gadget", events.Event{Type: "gadget", Status: events.Create, ID: "aaa999", Name: "web"}},
}

// matching returns the words of the events that pass, and checks that every way
// to ask gives the same answer.
func matching(t testing.TB, filters []string) string {
	t.Helper()
	f, err := filter.Parse(filters)
	if err != nil {
		t.Fatal(err)
	}
	public, err := events.ParseFilters(filters)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, n := range assorted {
		v := testkit.View(&n.event)
		matches := f.Match(v)
		if matches {
			words = append(words, n.word)
		}
		if public.Match(&n.event) != matches || public.Func()(&n.event) != matches {
			t.Errorf("%q: Match says %t of %s, that of package events or Func does not", filters, matches, n.word)
		}
		if matches && !f.MayMatch(1<<v.TypeCode, 1<<v.StatusCode) {
			t.Errorf("%q matches %s, but MayMatch says that nothing of type %q and status %q can",
				filters, n.word, v.Type, v.Status)
		}
	}
	return strings.Join(words, " ")
}

// but returns the words of all events but the given ones.
func but(words string) string {
	without := strings.Fields(words)
	var rest []string
	for _, n := range assorted {
		if !slices.Contains(without, n.word) {
			rest = append(rest, n.word)
		}
	}
	return strings.Join(rest, " ")
}

// single are filters that stand alone, and what matches each.
var single = []struct{ name, filter, want string }{
	{"a container by its name", "container=web", "web-create web-died"},
	{"a container by its ID", "container=aab222", "db-create db-levitate"},
	{"containers by the beginning of their ID", "container=aa", "web-create web-died db-create db-levitate"},
	{"a container not by the beginning of its name", "container=we", ""},
	{"a container not by what is longer than its ID", "container=aaa1111", ""},
	{"a container not by the name of a pod", "container=shop", ""},
	{"an image by its name", "image=docker.io/library/nginx:latest", "nginx-pull"},
	{"an image by its ID, not the containers of it", "image=ccc", "nginx-pull"},
	{"an image not by the beginning of its name", "image=docker.io/library/nginx", ""},
	{"a pod by its name", "pod=shop", "shop-create"},
	{"a pod by its ID, not the containers in it", "pod=ddd", "shop-create"},
	{"volumes by the beginning of their name", "volume=dat", "data-create data2-remove"},
	{"a volume by its name", "volume=data2", "data2-remove"},
	{"a network by its name", "network=front", "front-create front-connect"},
	{"a network by its ID", "network=eee", "front-create"},
	{"a network event by the container that was connected", "network=aaa111", "front-connect"},
	{"a network not by the beginning of its name", "network=fron", ""},
	{"a secret by its name", "secret=key", "key-create"},
	{"a secret by its ID", "secret=fff666", "key-create"},
	{"a machine by its name", "machine=vm", "vm-start"},
	{"an artifact by its name", "artifact=quay.io/chart:1", "chart-push"},
	{"an artifact by its ID", "artifact=bbb", "chart-push"},
	{"an ID of any type", "id=aaa", "web-create web-died front-connect gadget"},
	{"a name of any type", "name=web", "web-create web-died gadget"},
	{"the name of a network, which has a field of its own", "name=front", "front-create front-connect"},
	{"a name not by its beginning", "name=we", ""},
	{"the image of a container", "ancestor=docker.io/library/nginx:latest", "web-create web-died"},
	{"the image of a container not by its beginning", "ancestor=docker.io/library/nginx", ""},
	{"a type", "type=volume", "data-create data2-remove"},
	{"a status", "status=create", "web-create db-create shop-create data-create front-create key-create gadget"},
	{"a status by its other key", "event=pull", "nginx-pull"},
	{"die, as Docker says it", "event=die", "web-died"},
	{"died", "status=died", "web-died"},
	{"a status as libpod spells it", "status=auto-update", "updated"},
	{"a status as Varlink spells it", "status=auto_update", "updated"},
	{"another one as Varlink spells it", "event=log_rotation", "rotated"},
	{"and another one", "event=pull_error", "nginx-failed"},
	{"a status of a newer libpod", "status=raw:levitate", "db-levitate"},
	{"a type of a newer libpod", "type=raw:gadget", "gadget"},
	{"a known status as raw word", "status=raw:died", "web-died"},
	{"a known type as raw word", "type=raw:volume", "data-create data2-remove"},
	{"a raw word that none has", "status=raw:vanish", ""},
	{"a raw word in the spelling of Varlink, which libpod never writes", "status=raw:auto_update", ""},
	{"a label, whatever its value", "label=app", "web-create web-died db-create"},
	{"a label with its value", "label=app=shop", "web-create web-died"},
	{"a label whose value has a '='", "label=eq=a=b", "web-create"},
	{"a label not by the beginning of its value", "label=app=sho", ""},
	{"a label without a value that has one", "label=app=", ""},
	{"a label that is empty, asked for by name", "label=empty", "web-create"},
	{"a label that is empty, asked for as empty", "label=empty=", "web-create"},
	{"an attribute that is no label", "label=driver=bridge", "front-create"},
	{"a label that none has", "label=nope", ""},
	{"a user", "uid=1000", "db-create"},
	{"root", "uid=0", "web-create web-died"},
	{"a host", "host=two", "db-create"},
	{"a container by a pattern of its name", "container=w*", "web-create web-died"},
	{"a container by a pattern of its ID", "container=a?b*", "db-create db-levitate"},
	{"a container not by a pattern of a part", "container=?e", ""},
	{"an image by a pattern", "image=*/nginx:*", "nginx-pull nginx-failed"},
	{"a name of any type by a pattern", "name=*eb", "web-create web-died gadget"},
	{"a name that there is", "host=*", "web-create web-died db-create"},
	{"the image of a container by a pattern", "ancestor=*nginx*", "web-create web-died"},
	{"a volume by a pattern, of the whole name", "volume=?ata", "data-create"},
	{"an ID by a pattern", "id=aa?222", "db-create db-levitate"},
	{"what Docker calls destroy", "event=destroy", "data2-remove"},
	{"what Docker calls delete", "event=delete", "data2-remove"},
	{"rm", "event=rm", "data2-remove"},
	{"a verdict", "health=unhealthy", "web-unhealthy"},
	{"a verdict of a newer libpod", "health=raw:unhealthy", "web-unhealthy"},
	{"an exit code", "exit-code=7", "web-died"},
	{"an exit code of 0, which Podman before 5 leaves out", "exit-code=0", "old-died"},
}

func TestMatch_filter(t *testing.T) {
	for _, test := range single {
		t.Run(test.name, func(t *testing.T) {
			if got := matching(t, []string{test.filter}); got != test.want {
				t.Errorf("%s matches %q, want %q", test.filter, got, test.want)
			}
		})
	}
}

// negate turns key=value into key!=value.
func negate(filter string) string { return strings.Replace(filter, "=", "!=", 1) }

// A negated filter matches all other events.
func TestMatch_negated(t *testing.T) {
	for _, test := range single {
		t.Run(test.name, func(t *testing.T) {
			filter := negate(test.filter)
			if got, want := matching(t, []string{filter}), but(test.want); got != want {
				t.Errorf("%s matches %q, want %q", filter, got, want)
			}
		})
	}
}

// The key of a filter may be written in any case.
func TestParse_keyInAnyCase(t *testing.T) {
	for _, test := range single {
		key, value, _ := strings.Cut(test.filter, "=")
		for _, key := range []string{strings.ToUpper(key), strings.ToUpper(key[:1]) + key[1:]} {
			if got := matching(t, []string{key + "=" + value}); got != test.want {
				t.Errorf("%s=%s matches %q, want %q", key, value, got, test.want)
			}
			if got := matching(t, []string{key + "!=" + value}); got != but(test.want) {
				t.Errorf("%s!=%s matches %q, want %q", key, value, got, but(test.want))
			}
		}
	}
}

// Every key of the grammar is tested.
func TestMatch_everyKeyTested(t *testing.T) {
	tested := make(map[string]bool)
	for _, test := range single {
		key, _, _ := strings.Cut(test.filter, "=")
		tested[key] = true
	}
	keys := filter.Keys()
	if !slices.IsSorted(keys) {
		t.Errorf("keys are not sorted: %q", keys)
	}
	for _, key := range keys {
		if !tested[key] {
			t.Errorf("no test has the key %q", key)
		}
		delete(tested, key)
	}
	for key := range tested {
		t.Errorf("the key %q is understood, but not listed", key)
	}
	keys[0] = "changed"
	if filter.Keys()[0] == "changed" {
		t.Error("changing the list of keys changes the grammar")
	}
}

func TestMatch_several(t *testing.T) {
	for _, test := range []struct {
		name    string
		filters []string
		want    string
	}{
		{"everything, without filters", nil, but("")},
		{"everything, with an empty list", []string{}, but("")},
		{"either value of the same key", []string{"container=web", "container=db"}, "web-create web-died db-create db-levitate"},
		{"either type", []string{"type=pod", "type=machine"}, "shop-create vm-start"},
		{"either status, under both keys", []string{"event=pull", "status=die", "EVENT=push"}, "web-died nginx-pull chart-push"},
		{"either label", []string{"label=app=ledger", "label=driver"}, "db-create front-create"},
		{"either user", []string{"uid=0", "uid=1000"}, "web-create web-died db-create"},
		{"both of different keys", []string{"container=web", "status=create"}, "web-create"},
		{"all of three keys", []string{"type=container", "label=app", "event=create", "host=two"}, "db-create"},
		{"nothing, of keys for different types", []string{"container=web", "volume=data"}, ""},
		{"nothing, of a type and a key for another", []string{"type=image", "container=web"}, ""},
		{"nothing, of an image's type and the image of a container", []string{"type=image", "ancestor=localhost/db:1"}, ""},
		{"a key for a type and that type", []string{"type=volume", "volume=data2"}, "data2-remove"},
		{"either value of two keys each", []string{"name=web", "name=db", "event=died", "event=create"}, "web-create web-died db-create gadget"},
		{"the same twice as once", []string{"type=pod", "type=pod", "event=create", "status=create"}, "shop-create"},
		{"a known status or one of a newer libpod", []string{"status=died", "status=raw:levitate"}, "web-died db-levitate"},
		{"a known type or one of a newer libpod", []string{"type=pod", "type=raw:gadget"}, "shop-create gadget"},
		{"a newer libpod's type with a known status", []string{"type=raw:gadget", "status=create"}, "gadget"},

		{
			"none of the values that are negated",
			[]string{"type!=container", "type!=network", "type!=volume"},
			"nginx-pull nginx-failed shop-create key-create vm-start chart-push refresh rotated updated gadget",
		},
		{"none of the negated statuses, under both keys", []string{"event!=create", "status!=died", "type=container"}, "db-levitate web-unhealthy old-died"},
		{
			"none of the negated containers, but all else",
			[]string{"container!=web", "container!=db"},
			but("web-create web-died db-create db-levitate"),
		},
		{
			"none of the negated labels",
			[]string{"label!=app=shop", "label!=driver", "event=create"},
			"db-create shop-create data-create key-create gadget",
		},
		{"a label but one value of it", []string{"label=app", "label!=app=shop"}, "db-create"},
		{"a prefix but one name with it", []string{"volume=data", "volume!=data2"}, "data-create"},
		{"nothing, of a value and its negation", []string{"type=pod", "type!=pod"}, ""},
		{"either value, but not the negated one", []string{"id=aaa", "id=ddd", "id!=aaa1"}, "shop-create gadget"},
		{"a negated raw word", []string{"type=container", "status!=raw:levitate"}, "web-create web-died db-create web-unhealthy old-died"},
		{
			"a negated raw word among known ones",
			[]string{"type!=raw:gadget", "type!=container", "event=create"},
			"shop-create data-create front-create key-create",
		},
		{
			"known words but a raw one",
			[]string{"status=create", "type!=raw:gadget", "type!=volume"},
			"web-create db-create shop-create front-create key-create",
		},
		{"other users, the unknown one included", []string{"uid!=0", "type=container"}, "db-create db-levitate web-unhealthy old-died"},
		{"labels that have to hold, both", []string{"+label=app=shop", "+label=eq"}, "web-create"},
		{"a label that has to hold beside one that may", []string{"+label=app", "label=eq", "label=nope"}, "web-create"},
		{"two values of a label that both have to hold", []string{"+label=app=shop", "+label=app=ledger"}, ""},
		{"a label that has to hold, and a value that must not", []string{"+label=app", "label!=app=shop"}, "db-create"},
		{"two patterns that both have to hold", []string{"+name=d*", "+name=*2"}, "nginx-failed data2-remove"},
		{"two types that both have to hold", []string{"+type=pod", "+type=volume"}, ""},
		{"a type that has to hold among others", []string{"+type=pod", "type=volume", "type=pod"}, "shop-create"},
		{"a user that has to hold, and every user", []string{"+uid=*", "+uid=1000"}, "db-create"},
		{"failures", []string{"event=died", "exit-code!=0"}, "web-died"},
		{"all but healthy verdicts of containers", []string{"type=container", "health!=healthy", "event=health_status"}, "web-unhealthy"},
		{"a verdict and an exit code, which no event has", []string{"health=unhealthy", "exit-code=0"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := matching(t, test.filters); got != test.want {
				t.Errorf("%q matches %q,\nwant %q", test.filters, got, test.want)
			}
			slices.Reverse(test.filters)
			if got := matching(t, test.filters); got != test.want {
				t.Errorf("%q, turned round, matches %q,\nwant %q", test.filters, got, test.want)
			}
		})
	}
}

// No filters and nil filters let everything pass.
func TestMatch_none(t *testing.T) {
	none, err := filter.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*filter.Filters{"of no strings": none, "nil": nil, "the zero value": {}} {
		if !f.IsAll() || !f.MayMatch(1, 1) || !f.MayMatch(^uint64(0), ^uint64(0)) {
			t.Errorf("filters %s do not let everything pass", name)
		}
		for _, n := range assorted {
			if !f.Match(testkit.View(&n.event)) {
				t.Errorf("filters %s do not match %s", name, n.word)
			}
		}
	}
}

// Filters that choose are not all.
func TestAll_filters(t *testing.T) {
	for _, test := range single {
		for _, text := range []string{test.filter, negate(test.filter)} {
			if f, err := filter.Parse([]string{text}); err != nil || f.IsAll() {
				t.Errorf("%s is said to let everything pass, error %v", text, err)
			}
		}
	}
}

// May match rules out what types and statuses decide.
func TestMayMatch_rulesOut(t *testing.T) {
	types := func(words ...events.Type) (set uint64) {
		for _, word := range words {
			set |= 1 << filter.CodeOfType(word)
		}
		return set
	}
	statuses := func(words ...events.Status) (set uint64) {
		for _, word := range words {
			set |= 1 << filter.CodeOfStatus(word)
		}
		return set
	}
	const every = ^uint64(0)
	for _, test := range []struct {
		filters         string
		types, statuses uint64
		want            bool
	}{
		{"type=volume", types(events.Pod, events.Container), every, false},
		{"type=volume", types(events.Pod, events.Volume), every, true},
		{"volume=data", types(events.Pod, events.Container), every, false},
		{"volume=data", types(events.Volume), statuses(events.Create), true},
		{"ancestor=i", types(events.Image), every, false},
		{"ancestor=i", types(events.Container), every, true},
		{"status=died", every, statuses(events.Create, events.Remove), false},
		{"status=died", every, statuses(events.Create, events.Exited), true},
		{"status!=create", every, statuses(events.Create), false},
		{"status!=create", every, statuses(events.Create, events.Remove), true},
		{"type!=pod type!=volume", types(events.Pod, events.Volume), every, false},
		{"type!=pod type!=volume", types("gadget"), every, true},
		{"status=raw:levitate", every, statuses(events.Create), false},
		{"status=raw:levitate", every, statuses("anything"), true},
		{"status!=raw:levitate", every, statuses("anything"), true},
		{"type=pod status=died", types(events.Pod), statuses(events.Create), false},
		{"type=pod status=died", types(events.Container), statuses(events.Exited), false},
		{"type=pod status=died", types(events.Pod), statuses(events.Exited), true},
		{"container=a volume=b", every, every, false},
		{"label=k", types(events.Pod), statuses(events.Create), true},
		// A negated object key says nothing of events of other types, nor of others of that type.
		{"volume!=data", types(events.Volume), every, true},
		{"volume!=data", types(events.Pod), every, true},
		{"ancestor!=i", types(events.Container), every, true},
	} {
		f, err := filter.Parse(strings.Fields(test.filters))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.MayMatch(test.types, test.statuses); got != test.want {
			t.Errorf("%s: MayMatch(%#x, %#x) is %t", test.filters, test.types, test.statuses, got)
		}
	}
}

// A view without the words of known codes matches alike.
func TestMatch_viewWithoutWords(t *testing.T) {
	for _, filters := range [][]string{
		{"status=create", "status=raw:levitate"},
		{"status!=create", "status!=raw:levitate"},
		{"type=container", "type=raw:gadget"},
		{"type!=container", "type!=raw:gadget"},
	} {
		f, err := filter.Parse(filters)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range assorted {
			v := testkit.View(&n.event)
			if v.TypeCode != 0 {
				v.Type = ""
			}
			if v.StatusCode != 0 {
				v.Status = ""
			}
			if got, want := f.Match(v), f.Match(testkit.View(&n.event)); got != want {
				t.Errorf("%q: %t for %s without its words, %t with them", filters, got, n.word, want)
			}
		}
	}
}

// Labels are matched in a line as in an event.
func TestMatch_labelsInLine(t *testing.T) {
	for _, test := range single {
		f, err := filter.Parse([]string{test.filter})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range assorted {
			v := testkit.View(&n.event)
			v.Labels = filter.Labels{JSON: jsonstring.AppendMap(nil, n.event.Attributes)}
			if got, want := f.Match(v), f.Match(testkit.View(&n.event)); got != want {
				t.Errorf("%s: %t for %s with labels from a line, %t with labels from an event", test.filter, got, n.word, want)
			}
		}
	}
}

// A view without labels has none.
func TestMatch_viewWithoutLabels(t *testing.T) {
	f, err := filter.Parse([]string{"label=k"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Match(&filter.View{}) {
		t.Error("label=k matches the zero view")
	}
}

func TestMatch_noAllocations(t *testing.T) {
	f, err := filter.Parse([]string{"type=container", "status=create", "label=app=shop", "container=aaa", "id!=b"})
	if err != nil {
		t.Fatal(err)
	}
	v := testkit.View(&assorted[0].event)
	matches := false
	if allocs := testing.AllocsPerRun(100, func() { matches = f.Match(v) }); allocs != 0 || !matches {
		t.Errorf("%v allocations, matches: %t", allocs, matches)
	}
}
