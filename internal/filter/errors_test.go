package filter_test

import (
	"errors"
	"testing"

	"github.com/eventsvc/eventsvc/internal/filter"
)

// A filter that cannot be understood is named with the nearest word.
func TestParse_unknownWord(t *testing.T) {
	const keys = "keys are ancestor, artifact, container, event, exit-code, health, host, id, image, label, machine, name, " +
		"network, pod, secret, status, type, uid, volume"
	for _, test := range []struct{ filter, reason string }{
		{"", "it has no '='; give key=value or key!=value"},
		{"container", "it has no '='; give key=value or key!=value"},
		{"container!", "it has no '='; give key=value or key!=value"},
		{"=web", `unknown key ""; ` + keys},
		{"!=web", `unknown key ""; ` + keys},
		{"contaner=web", `unknown key "contaner", did you mean "container"?`},
		{"Contaner=web", `unknown key "Contaner", did you mean "container"?`},
		{"LABELS=a", `unknown key "LABELS", did you mean "label"?`},
		{"labels!=a", `unknown key "labels", did you mean "label"?`},
		{" type=pod", `unknown key " type", did you mean "type"?`},
		{"type!!=pod", `unknown key "type!", did you mean "type"?`},
		{"!type=pod", `unknown key "!type", did you mean "type"?`},
		{"colour=red", `unknown key "colour"; ` + keys},
		{"type=", "it has no value; give type=VALUE"},
		{"event=", "it has no value; give event=VALUE"},
		{"container=", "it has no value; give container=VALUE"},
		{"volume!=", "it has no value; give volume=VALUE"},
		{"Label=", "it has no value; give Label=VALUE"},
		{"label==v", "it has no value; give label=VALUE"},
		{"id=", "it has no value; give id=VALUE"},
		{"host=", "it has no value; give host=VALUE"},
		{"uid=", "it has no value; give uid=VALUE"},
		{"uid!=*", "every event has a user, known or not; give uid!=NUMBER"},
		{"health=", "it has no value; give health=VALUE"},
		{"health=Healthy", `unknown verdict of a health check "Healthy", did you mean "healthy"?`},
		{"health=change", `unknown verdict of a health check "change", did you mean "changed"?`},
		{"health=x", `unknown verdict of a health check "x"; give healthy, starting, unhealthy or changed (a word of a newer libpod is written health=raw:WORD)`},
		{"exit_code=1", `unknown key "exit_code", did you mean "exit-code"?`},
		{"exit-code=", "it has no value; give exit-code=VALUE"},
		{"exit-code=one", "exit-code takes a number, such as 0 or 137; exit-code!=0 is every other"},
		{"exit-code!=4294967296", "exit-code takes a number, such as 0 or 137; exit-code!=0 is every other"},
		{"label=a!=b", "no label has a name that ends in '!'; give label!=a=b for events without it"},
		{"+label=a!=b", "no label has a name that ends in '!'; give label!=a=b for events without it"},
		{"++label=a", `unknown key "+label", did you mean "label"?`},
		{"+label", "it has no '='; give key=value or key!=value"},
		{"uid=root", "uid takes a number from 0 to 4294967295, or * for every user"},
		{"uid=-1", "uid takes a number from 0 to 4294967295, or * for every user"},
		{"uid=4294967296", "uid takes a number from 0 to 4294967295, or * for every user"},
		{"uid=1.5", "uid takes a number from 0 to 4294967295, or * for every user"},
		{"type=containr", `unknown event type "containr", did you mean "container"? (a word of a newer libpod is written type=raw:WORD)`},
		{"type!=Pod", `unknown event type "Pod", did you mean "pod"? (a word of a newer libpod is written type=raw:WORD)`},
		{"type=gadget", `unknown event type "gadget" (a word of a newer libpod is written type=raw:WORD)`},
		{"type= pod", `unknown event type " pod", did you mean "pod"? (a word of a newer libpod is written type=raw:WORD)`},
		{"type=pod=x", `unknown event type "pod=x", did you mean "pod"? (a word of a newer libpod is written type=raw:WORD)`},
		{"event=died,start", "it has several values; give event=died, and a filter for each of the others"},
		{"container!=a|b", "it has several values; give container!=a, and a filter for each of the others"},
		{"health=healthy,unhealthy", "it has several values; give health=healthy, and a filter for each of the others"},
		{"+name=^web", "it is no regular expression; give +name=web*"},
		{"name=^web$", "it is no regular expression; give name=web"},
		{"name=web$", "it is no regular expression; give name=*web"},
		{"name=^web.*$", "it is no regular expression; give name=web*"},
		{"container=web[12]", "it is no regular expression; '*' stands for any letters, and '?' for one"},
		{"name==web", "it has one '=' too many; give name=web"},
		{"event=running", `libpod has no event status "running"; give event=start`},
		{"status=started", `libpod has no event status "started"; give event=start`},
		{"status=startd", `unknown event status "startd", did you mean "start"? (a word of a newer libpod is written status=raw:WORD)`},
		{"event=oom", `libpod has no event status "oom"; a container that is killed for its memory ends with event=died and exit-code=137`},
		{"event=health_status: healthy", "a verdict has a key of its own; give health=healthy"},
		{"event=health_status: none", "a verdict has a key of its own; give health=healthy, starting, unhealthy"},
		{"event=exec_start: sh -c true", "the command of a process is not recorded; give event=exec"},
		{"scope=local", `libpod has no filter "scope"; all events are of this host; leave it out`},
		{"daemon=x", `libpod has no filter "daemon"; events of the engine itself are type=system`},
		{"plugin!=x", `libpod has no filter "plugin"; Podman has none`},
		{"exitCode=1", `libpod has no filter "exitCode"; give exit-code=NUMBER`},
		{"involvedObject.name=web", `libpod has no filter "involvedObject.name"; give name=NAME`},
		{"type=daemon", `libpod has no event type "daemon"; give type=system`},
		{"type=Warning", `libpod has no event type "Warning"; give a filter on what is wrong, such as exit-code!=0 or health=unhealthy`},
		{"event!=Pulling", `libpod has no event status "Pulling"; give event=pull, which is the end of it`},
		{"event=Died", `unknown event status "Died", did you mean "died"? (a word of a newer libpod is written status=raw:WORD)`},
		{"event=unknown", `unknown event status "unknown" (a word of a newer libpod is written status=raw:WORD)`},
		{"type=raw:", "it has no word after 'raw:'"},
		{"status!=raw:", "it has no word after 'raw:'"},
	} {
		t.Run(test.filter, func(t *testing.T) {
			f, err := filter.Parse([]string{"type=pod", test.filter, "worse"})
			var bad *filter.Error
			if f != nil || !errors.As(err, &bad) {
				t.Fatalf("Parse(%q) = %v, %v", test.filter, f, err)
			}
			if bad.Filter != test.filter || bad.Reason != test.reason {
				t.Errorf("filter %q, reason\n%s, want\n%s", bad.Filter, bad.Reason, test.reason)
			}
		})
	}
}

// A filter error names the filter.
func TestParse_errorNamesFilter(t *testing.T) {
	_, err := filter.Parse([]string{"typ=pod"})
	const want = `cannot understand filter "typ=pod": unknown key "typ", did you mean "type"?`
	if err == nil || err.Error() != want {
		t.Errorf("text is %v, want %s", err, want)
	}
}
