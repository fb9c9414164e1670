package iopodman_test

import (
	"strings"
	"testing"
)

// past are the arguments of a command that shows what matches in the past, and
// then ends.
func past(args ...string) []string {
	return append([]string{"events", "--since", "2000-01-01", "--until", "0s"}, args...)
}

// An old client stops at a word that it does not know. These logs have many.
func TestFilters_logsOfEveryPodman(t *testing.T) {
	for _, name := range sampleLogs {
		t.Run(name, func(t *testing.T) {
			lines := samples(t, name)
			r := newRig(t, lines...)
			want := printed(t, lines, all)
			shown := strings.Count(want, "\n")
			t.Logf("%d of %d events are for old clients", shown, len(lines))
			if shown < 20 || name == "podman-1.9.3-events.log" && shown != len(lines) {
				t.Errorf("too few")
			}
			r.run(past()...).want(t, 0, want, "")
			r.run("events", "--stream=false").want(t, 0, want[:strings.Index(want, "\n")+1], "")
		})
	}
}

func TestFilters_followedStream(t *testing.T) {
	r := newRig(t)
	c := r.followers(1)[0]
	lines := allSamples(t)
	for _, line := range lines {
		r.append(line)
	}
	r.append(container(9, "push"))
	c.printed("container push")
	want := printed(t, append(lines, container(9, "push")), func(e entry) bool { return e.Type != "container" || e.Status != "init" })
	if got := behindProbes(c.out.String()); got != want {
		t.Errorf("printed\n%s, want\n%s", got, want)
	}
}

// Events of a newer Podman are left out.
func TestFilters_newerPodman(t *testing.T) {
	strange := []string{
		`{"Status":"levitate","Time":"2020-05-22T12:00:00Z","Type":"container","Name":"a"}`,
		`{"Status":"create","Time":"2020-05-22T12:00:00Z","Type":"gadget","Name":"b"}`,
		`{"Status":"CREATE","Time":"2020-05-22T12:00:00Z","Type":"container","Name":"c"}`,
		`{"Status":"auto-update","Time":"2020-05-22T12:00:00Z","Type":"container","Name":"d"}`,
		`{"Status":"auto-update","Time":"2020-05-22T12:00:00Z","Type":"system"}`,
	}
	r := newRig(t, append(strange, container(1, "create"))...)
	r.run(past()...).want(t, 0, printed(t, []string{container(1, "create")}, all), "")
}

// Filters choose as they did in Podman 1.
func TestFilters_asPodman1(t *testing.T) {
	lines := allSamples(t)
	r := newRig(t, lines...)
	var first entry // a container
	for _, line := range lines {
		if first = parse(t, line); first.Type == "container" {
			break
		}
	}
	is := func(typ, value string) func(entry) bool {
		return func(e entry) bool { return e.Type == typ && (e.Name == value || strings.HasPrefix(e.ID, value)) }
	}
	for _, test := range []struct {
		filters string
		want    func(entry) bool
	}{
		{"container=c1", is("container", "c1")},
		{"container=" + first.ID, is("container", first.ID)},
		{"container=" + first.ID[:6], is("container", first.ID[:6])},
		{"CONTAINER=c1", is("container", "c1")},
		{"container=c", is("container", "c")},
		{"image=localhost/scratch:1", is("image", "localhost/scratch:1")},
		{"pod=pod1", is("pod", "pod1")},
		{"pod=none", func(entry) bool { return false }},
		{"volume=vol1", func(e entry) bool { return e.Type == "volume" && strings.HasPrefix(e.Name, "vol1") }},
		{"event=create", func(e entry) bool { return e.Status == "create" }},
		{"status=create", func(e entry) bool { return e.Status == "create" }},
		{"event=died", func(e entry) bool { return e.Status == "died" }},
		{"event=die", func(e entry) bool { return e.Status == "died" }},
		{"type=volume", func(e entry) bool { return e.Type == "volume" }},
		{"type=system", func(e entry) bool { return e.Type == "system" }},
		// The same key widens the choice, another narrows it.
		{"event=start event=stop", func(e entry) bool { return e.Status == "start" || e.Status == "stop" }},
		{"event=start status=stop", func(e entry) bool { return e.Status == "start" || e.Status == "stop" }},
		{"container=c1 container=c2", func(e entry) bool { return is("container", "c1")(e) || is("container", "c2")(e) }},
		{"container=c1 event=create", func(e entry) bool { return is("container", "c1")(e) && e.Status == "create" }},
		{"type=pod type=image event=create", func(e entry) bool { return (e.Type == "pod" || e.Type == "image") && e.Status == "create" }},
		{"type=pod container=c1", func(entry) bool { return false }},
	} {
		t.Run(test.filters, func(t *testing.T) {
			var args []string
			for _, filter := range strings.Fields(test.filters) {
				args = append(args, "--filter", filter)
			}
			want := printed(t, lines, test.want)
			r.run(past(args...)...).want(t, 0, want, "")
			r.run(append([]string{"events", "--stream=false"}, args...)...).want(t, 0, want[:strings.Index(want, "\n")+1], "")
		})
	}
}

// A bad filter is refused in words that help.
func TestFilters_bad(t *testing.T) {
	r := newRig(t, containers(1, 3)...)
	const keys = " (keys for podman-remote 1.x are container, event, image, pod, status, type, uid, volume)"
	const elsewhere = " and stops at it, so such events are not sent to it; use eventsvc events, or the interface io.podman.events"
	const others = " (keys that podman-remote 1.x has not are those of eventsvc events and the interface io.podman.events)"
	for _, test := range []struct{ filter, reason string }{
		{"bad", "it has no '='; give key=value, such as container=web"},
		{"", "it has no '='; give key=value, such as container=web"},
		{"contaner=web", `unknown key "contaner", did you mean "container"?` + keys},
		{"container!=web", `unknown key "container!", did you mean "container"?` + keys},
		{"label=a=b", `unknown key "label"` + keys},
		{"=web", `unknown key ""` + keys},
		{"container=", "it has no value; give container=VALUE"},
		{"event=strat", `unknown event status "strat", did you mean "start"?`},
		{"event=raw:start", `unknown event status "raw:start", did you mean "restart"?`},
		{"type=conatiner", `unknown event type "conatiner", did you mean "container"?`},
		{"type=network", `podman-remote 1.x does not know the event type "network"` + elsewhere},
		{"event=exec_died", `podman-remote 1.x does not know the event status "exec_died"` + elsewhere},
		{"event=exec_die", `podman-remote 1.x does not know the event status "exec_died"` + elsewhere},
		{"event=oom", `libpod has no event status "oom"; a container that is killed for its memory ends with event=died and exit-code=137` + others},
		{"event=health_status: healthy", "a verdict has a key of its own; give health=healthy" + others},
		{"event=auto-update", `podman-remote 1.x does not know the event status "auto-update"` + elsewhere},
	} {
		for _, args := range [][]string{{"events"}, {"events", "--stream=false"}, past()} {
			want := `Error: cannot understand filter "` + test.filter + `": ` + test.reason + "\n"
			r.run(append(args, "--filter", "event=create", "--filter", test.filter)...).want(t, 125, "", want)
		}
	}
}

// Too many or too long filters are refused.
func TestFilters_tooMany(t *testing.T) {
	r := newRig(t)
	for _, parameters := range []string{
		`"` + strings.Repeat(`type=pod","`, 300) + `type=pod"`,
		`"container=` + strings.Repeat("x", 5000) + `"`,
	} {
		got := r.raw().ask(`{"method":"io.podman.GetEvents","parameters":{"filter":[` + parameters + `],"since":"","until":""},"more":true}`)
		if !strings.Contains(got, `"error":"io.podman.ErrorOccurred"`) || !strings.Contains(got, "give at most") {
			t.Errorf("reply is %.300s", got)
		}
	}
}
