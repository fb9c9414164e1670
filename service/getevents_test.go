package service

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// wantPage checks one page.
func wantPage(t *testing.T, got reply, names []string, complete, continues bool) {
	t.Helper()
	if names == nil {
		names = []string{}
	}
	if got.Error != "" || got.Parameters["complete"] != complete || got.Continues != continues || got.cursor() == "" ||
		len(got.Parameters) != 3 || !reflect.DeepEqual(got.names(), names) {
		t.Fatalf("page is %.600s,\nwant events %.300v, complete %v, continues %v", got, names, complete, continues)
	}
}

func TestGetEvents_page(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	wantPage(t, c.ask("GetEvents", `{}`), nil, true, false)
	cursors := r.write(eventList(0, 5)...)
	for _, test := range []struct {
		parameters string
		names      []string
		complete   bool
	}{
		{`{}`, nameList(0, 5), true},
		{`{"filters":null,"since":null,"until":null,"after":null,"limit":null}`, nameList(0, 5), true},
		{`{"filters":["name=c1","name=c3"]}`, []string{"c1", "c3"}, true},
		{`{"filters":["name=nothing"]}`, nil, true},
		{`{"limit":2}`, nameList(0, 2), false},
		{`{"limit":5}`, nameList(0, 5), true},
		{`{"limit":9}`, nameList(0, 5), true},
		{`{"limit":1,"filters":["name=c1"]}`, []string{"c1"}, true},
		{`{"limit":1,"filters":["name=c1","name=c4"]}`, []string{"c1"}, false},
		{`{"after":"` + cursors[2] + `"}`, nameList(3, 5), true},
		{`{"after":"` + cursors[4] + `"}`, nil, true},
		{`{"since":"` + firstTime.Add(time.Second).Format(time.RFC3339Nano) + `"}`, nameList(2, 5), true},
		{`{"until":"` + firstTime.Add(time.Second).Format(time.RFC3339Nano) + `"}`, nameList(0, 1), true},
		{`{"until":"10m"}`, nameList(0, 5), true},
	} {
		got := c.ask("GetEvents", test.parameters)
		t.Logf("GetEvents(%s)", test.parameters)
		wantPage(t, got, test.names, test.complete, false)
		if test.complete {
			wantPage(t, c.ask("GetEvents", `{"after":"`+got.cursor()+`"}`), nil, true, false)
		}
	}
}

func TestGetEvents_nextPages(t *testing.T) {
	r := newRig(t)
	const events = 25
	r.write(eventList(0, events)...)
	c := r.dial()
	var names []string
	after := ""
	for calls := 0; ; calls++ {
		got := c.ask("GetEvents", `{"limit":4`+after+`}`)
		names = append(names, got.names()...)
		if complete, _ := got.Parameters["complete"].(bool); complete {
			break
		}
		after = `,"after":"` + got.cursor() + `"`
		if calls > events {
			t.Fatal("it does not end")
		}
	}
	if !reflect.DeepEqual(names, nameList(0, events)) {
		t.Errorf("events are %v", names)
	}
}

func TestGetEvents_thousandEvents(t *testing.T) {
	r := newRig(t)
	const events = 2*limits.PageEvents + 10
	r.write(eventList(0, events)...)
	c := r.dial()
	got := c.ask("GetEvents", `{}`)
	wantPage(t, got, nameList(0, limits.PageEvents), false, false)
	wantPage(t, c.ask("GetEvents", `{"after":"`+got.cursor()+`"}`), nameList(limits.PageEvents, 2*limits.PageEvents), false, false)

	c.callMore("GetEvents", `{}`)
	wantPage(t, c.receive(), nameList(0, limits.PageEvents), false, true)
	wantPage(t, c.receive(), nameList(limits.PageEvents, 2*limits.PageEvents), false, true)
	wantPage(t, c.receive(), nameList(2*limits.PageEvents, events), true, false)

	c.callMore("GetEvents", `{"limit":1500}`)
	wantPage(t, c.receive(), nameList(0, limits.PageEvents), false, true)
	wantPage(t, c.receive(), nameList(limits.PageEvents, 1500), false, false)
	c.alive()
}

func TestGetEvents_lastPage(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 2*limits.PageEvents)...)
	c := r.dial()
	c.callMore("GetEvents", `{}`)
	wantPage(t, c.receive(), nameList(0, limits.PageEvents), false, true)
	wantPage(t, c.receive(), nameList(limits.PageEvents, 2*limits.PageEvents), true, false)
	c.callMore("GetEvents", `{"filters":["name=nothing"]}`)
	wantPage(t, c.receive(), nil, true, false)
	c.alive()
}

func TestGetEvents_pageSize(t *testing.T) {
	r := newRig(t)
	big := event(0)
	big.HealthLog = strings.Repeat("x", 400<<10)
	huge := event(9)
	huge.HealthLog = strings.Repeat("y", 3<<20)
	r.write(big, big, big, huge, event(1))
	c := r.dial()
	c.callMore("GetEvents", `{}`)
	wantPage(t, c.receive(), []string{"c0", "c0"}, false, true)
	wantPage(t, c.receive(), []string{"c0"}, false, true)
	wantPage(t, c.receive(), []string{"c9"}, false, true)
	wantPage(t, c.receive(), []string{"c1"}, true, false)
}

func TestGetEvents_endOfTheStore(t *testing.T) {
	r := newRig(t)
	const events = 3 * limits.PageEvents
	r.write(eventList(0, events)...)
	c := r.dial()
	c.callMore("GetEvents", `{}`)
	first := c.receive()
	r.write(eventList(events, events+10)...)
	names := first.names()
	for got := first; got.Continues; {
		got = c.receive()
		names = append(names, got.names()...)
	}
	if !reflect.DeepEqual(names, nameList(0, events)) {
		t.Errorf("there are %d events, want the %d that there were", len(names), events)
	}
}

func TestGetEvents_invalidParameters(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for parameters, want := range map[string][2]string{
		`{"limit":0}`:             {errInvalidParameter, `"limit"`},
		`{"limit":-1}`:            {errInvalidParameter, `"limit"`},
		`{"limit":1.5}`:           {errInvalidParameter, `"limit"`},
		`{"since":"overmorrow"}`:  {"io.podman.events.InvalidTime", `"since"`},
		`{"until":"2026-02-30"}`:  {"io.podman.events.InvalidTime", `"until"`},
		`{"filters":["event=x"]}`: {"io.podman.events.InvalidFilter", `"event=x"`},
		`{"after":"x"}`:           {"io.podman.events.InvalidCursor", `"x"`},
	} {
		if got := c.ask("GetEvents", parameters); got.Error != want[0] || !strings.Contains(got.frame, want[1]) {
			t.Errorf("GetEvents(%s) is answered with %s, want %s", parameters, got, want)
		}
	}
}

func TestGetLastEvent_newestMatch(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.call("GetLastEvent", `{}`)
	c.wantError("io.podman.events.EventNotFound", `{}`)
	cursors := r.write(eventList(0, 3)...)
	got := c.ask("GetLastEvent", `{}`)
	if got.name() != "c2" || got.Continues || len(got.Parameters) != 1 ||
		got.Parameters["event"].(map[string]any)["cursor"] != cursors[2] {
		t.Errorf("reply is %s, want event c2 with cursor %s", got, cursors[2])
	}
	if got := c.ask("GetLastEvent", `{"filters":["name=c1"]}`); got.name() != "c1" {
		t.Errorf("reply is %s, want event c1", got)
	}
	c.call("GetLastEvent", `{"filters":["status=died"]}`)
	c.wantError("io.podman.events.EventNotFound", `{}`)
}

func TestEvent_sameFromEveryMethod(t *testing.T) {
	r := newRig(t)
	code := 0
	e := event(1)
	e.Status, e.ContainerExitCode, e.PodID = "died", &code, strings.Repeat("ab", 32)
	e.Attributes = map[string]string{"a": "<é \"\n>", "b": ""}
	r.write(e)
	c := r.dial()
	last := c.ask("GetLastEvent", `{}`).Parameters["event"]
	got := c.ask("GetEvents", `{}`)
	wantPage(t, got, []string{"c1"}, true, false)
	page := got.Parameters["events"].([]any)[0]
	c.callMore("Subscribe", `{"fromStart":true}`)
	c.receive()
	streamed := c.receive().Parameters["event"]
	if !reflect.DeepEqual(last, page) || !reflect.DeepEqual(last, streamed) {
		t.Errorf("the event is\n%v\n%v\n%v", last, page, streamed)
	}
	want := fmt.Sprintf(`{"cursor":%q,"time":"2026-11-23T12:00:01.123456789Z","timestampUSec":1795435201123456,"type":"container",
		"status":"died","id":%q,"name":"c1","image":"docker.io/library/alpine:latest","podId":%q,"exitCode":0,
		"attributes":{"a":"<é \"\n>","b":""},"uid":%d}`, last.(map[string]any)["cursor"], e.ID, e.PodID, os.Getuid())
	if !equalJSON(t, last, want) {
		t.Errorf("the event is\n%v, want\n%s", last, want)
	}
}
