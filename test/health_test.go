package test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// verdictLine is a health verdict as Podman 4.3.1 and later write it; the stamp
// distinguishes verdicts.
func verdictLine(container, word string, n int) string {
	return fmt.Sprintf(`{"ID":"%s1","Image":"alpine","Name":%q,"Status":"health_status","Time":"2026-11-23T12:00:%02dZ","Type":"container","health_status":%q,"Attributes":null}`+"\n",
		container, container, n, word)
}

// TestHealthChanged_onEveryInterface: across past and new events, a reader gets only
// verdicts that differ from the last one that it got.
func TestHealthChanged_onEveryInterface(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	d := newDaemon(t, "--dbus", bus.Address())
	past := []string{"starting", "healthy", "healthy", "unhealthy", "unhealthy"}
	for i, word := range past {
		appendTo(t, d.log, verdictLine("db", word, i)+verdictLine("web", "healthy", i))
	}
	d.start()
	awaitName(t, bus)
	follower := d.subscribe(params{"filters": []string{"health=changed"}, "fromStart": true})
	waiting := exec.Command(binary, "wait", "--address", "unix:"+d.socket, "--timeout", "20s", "--filter", "container=db", "--filter", "health=healthy",
		"--format", "{{.HealthStatus}} {{.Time.UTC.Second}}", "--", "sh", "-c", "echo started")
	var started testkit.Buffer
	waiting.Stderr = &started
	out, err := waiting.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	comes(t, "the command of wait", func() bool { return strings.Contains(started.String(), "started") })
	var got []string
	collect := func(n int) {
		for len(got) < n {
			r, err := follower.recv()
			if err != nil || r.Error != "" {
				t.Fatal(r, err)
			}
			if e := r.Parameters.Event; e != nil {
				got = append(got, fmt.Sprintf("%s %s", e.Name, e.Time[17:19]))
			}
		}
	}
	want := []string{"db 00", "web 00", "db 01", "db 03"}
	collect(len(want))
	appendTo(t, d.log, verdictLine("db", "unhealthy", 5)+verdictLine("web", "healthy", 5)+verdictLine("db", "healthy", 6)+verdictLine("db", "healthy", 7))
	appendTo(t, d.log, verdictLine("web", "unhealthy", 8))
	collect(6)
	if want = append(want, "db 06", "web 08"); !slices.Equal(got, want) {
		t.Errorf("a follower got %q, want %q", got, want)
	}
	text := make([]byte, 100)
	n, _ := out.Read(text)
	if err := waiting.Wait(); err != nil || string(text[:n]) != "healthy 6\n" {
		t.Errorf("wait prints %q, %v", text[:n], err)
	}
	page := d.call("GetEvents", params{"filters": []string{"health=changed"}}).Parameters.Events
	if len(page) != len(want) || page[5].Time[17:19] != "08" {
		t.Errorf("GetEvents: %+v", page)
	}
	last := d.call("GetLastEvent", params{"filters": []string{"health=changed", "name=d?"}}).Parameters.Event
	if last == nil || last.Time[17:19] != "06" {
		t.Errorf("GetLastEvent: %+v", last)
	}
	r := &dbusRig{t: t, bus: bus}
	for filter, want := range map[string]int{"health=changed": 6, "health=unhealthy": 4, "+health=unhealthy": 4, "name=w*": 7} {
		out := r.busctl("call", busName, objectPath, busName, "GetEvents", "asa{sv}", "1", filter, "0")
		if got := strings.Count(out, `"health_status" s`); got != want {
			t.Errorf("%s on D-Bus: %d events, want %d", filter, got, want)
		}
		printed, err := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--stream=false", "--filter", filter, "--format", "json").Output()
		if got := strings.Count(string(printed), "\n"); err != nil || got != want {
			t.Errorf("%s on the command line: %d events, want %d, %v", filter, got, want, err)
		}
	}
}

// TestHealthChanged_afterARestart: after a restart of the service each verdict is the
// first, but not for a client that reconnects by itself.
func TestHealthChanged_afterARestart(t *testing.T) {
	d := newDaemon(t)
	d.start()
	follow := func(filters ...string) *testkit.Buffer {
		args := []string{"events", "--address", "unix:" + d.socket, "--since", "@0", "--format", "{{.Name}} {{.HealthStatus}} {{.Time.UTC.Second}}"}
		for _, f := range filters {
			args = append(args, "--filter", f)
		}
		var out testkit.Buffer
		c := exec.Command(binary, args...)
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		return &out
	}
	changes := follow("health=changed")
	failures := follow("+health=changed", "+health=unhealthy")
	appendTo(t, d.log, verdictLine("db", "unhealthy", 1)+verdictLine("db", "healthy", 2)+verdictLine("db", "healthy", 3)+verdictLine("db", "unhealthy", 4))
	comes(t, "the last change", func() bool {
		return strings.HasSuffix(changes.String(), "unhealthy 4\n") && strings.HasSuffix(failures.String(), "unhealthy 4\n")
	})
	d.kill()
	appendTo(t, d.log, verdictLine("db", "unhealthy", 5)+verdictLine("web", "healthy", 6))
	d.start()
	appendTo(t, d.log, verdictLine("db", "healthy", 7)+verdictLine("db", "unhealthy", 8))
	comes(t, "what changed since", func() bool {
		return strings.HasSuffix(changes.String(), "unhealthy 8\n") && strings.HasSuffix(failures.String(), "unhealthy 8\n")
	})
	want := "db unhealthy 1\ndb healthy 2\ndb unhealthy 4\nweb healthy 6\ndb healthy 7\ndb unhealthy 8\n"
	if changes.String() != want {
		t.Errorf("it prints\n%s, want\n%s", changes, want)
	}
	// This reader cannot know what happened in between, and repeats rather than hides.
	want = "db unhealthy 1\ndb unhealthy 4\ndb unhealthy 5\ndb unhealthy 8\n"
	if failures.String() != want {
		t.Errorf("of failures it prints\n%s, want\n%s", failures, want)
	}
}
