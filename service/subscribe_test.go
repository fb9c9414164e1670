package service

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// wantMark receives a reply without an event.
func (c *client) wantMark(ready, live, continues bool) reply {
	c.t.Helper()
	r := c.receive()
	want := map[string]any{"cursor": r.Parameters["cursor"]}
	if ready {
		want["ready"] = true
	}
	if live {
		want["live"] = true
	}
	if r.Error != "" || r.Continues != continues || len(r.Parameters) != len(want) || r.cursor() == "" ||
		r.Parameters["ready"] != want["ready"] || r.Parameters["live"] != want["live"] {
		c.t.Fatalf("reply is %s, want ready %v, live %v, continues %v and a cursor alone", r, ready, live, continues)
	}
	return r
}

// wantEvents receives events of these names, in this order.
func (c *client) wantEvents(names ...string) (last reply) {
	c.t.Helper()
	for _, name := range names {
		last = c.receive()
		if last.name() != name || !last.Continues || last.cursor() == "" ||
			last.Parameters["event"].(map[string]any)["cursor"] != last.cursor() {
			c.t.Fatalf("reply is %s, want event %s with its cursor", last, name)
		}
	}
	return last
}

func nameList(from, to int) []string {
	var names []string
	for n := from; n < to; n++ {
		names = append(names, fmt.Sprintf("c%d", n))
	}
	return names
}

func TestSubscribe_withoutHistory(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 3)...)
	c := r.dial()
	c.callMore("Subscribe", `{}`)
	c.wantMark(true, true, true)
	r.write(event(3))
	r.write(event(4), event(5))
	c.wantEvents("c3", "c4", "c5")
}

func TestSubscribe_withHistory(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 3)...)
	for _, parameters := range []string{`{"fromStart":true}`, `{"since":"2000-01-01"}`, `{"until":"+1h"}`} {
		t.Run(parameters, func(t *testing.T) {
			c := r.dial()
			c.callMore("Subscribe", parameters)
			c.wantMark(true, false, true)
			c.wantEvents("c0", "c1", "c2")
			c.wantMark(false, true, true)
		})
	}
	c := r.dial()
	c.callMore("Subscribe", `{"fromStart":true,"filters":["name=c1","name=c7"]}`)
	c.wantMark(true, false, true)
	c.wantEvents("c1")
	c.wantMark(false, true, true)
	r.write(event(6), event(7))
	c.wantEvents("c7")
}

func TestSubscribe_afterACursor(t *testing.T) {
	r := newRig(t)
	cursors := r.write(eventList(0, 4)...)
	c := r.dial()
	c.callMore("Subscribe", fmt.Sprintf(`{"after":%q}`, cursors[1]))
	c.wantMark(true, false, true)
	last := c.wantEvents("c2", "c3")
	c.wantMark(false, true, true)
	if last.cursor() != cursors[3] {
		t.Errorf("the cursor of the last event is %q in the stream, %q for its writer", last.cursor(), cursors[3])
	}
}

func TestSubscribe_longPast(t *testing.T) {
	r := newRig(t)
	const past, more = 5000, 1000
	r.write(eventList(0, past)...)
	c := r.dial()
	c.callMore("Subscribe", `{"fromStart":true}`)
	c.wantMark(true, false, true)
	c.wantEvents(nameList(0, past)...)
	c.wantMark(false, true, true)
	for n := past; n < past+more; n++ {
		r.write(event(n))
	}
	c.wantEvents(nameList(past, past+more)...)
}

func TestSubscribe_untilInTheFuture(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	const wait = 300 * time.Millisecond
	begin := time.Now()
	c.callMore("Subscribe", fmt.Sprintf(`{"until":"%dms"}`, wait.Milliseconds()))
	c.wantMark(true, false, true)
	c.wantMark(false, true, true)
	now := events.NewEvent(events.Create)
	now.Type, now.Name = events.Volume, "v"
	r.write(now)
	c.wantEvents("v")
	c.wantMark(false, false, false)
	if took := time.Since(begin); took < wait || took > wait+2*time.Second {
		t.Errorf("the stream ended after %v, want %v", took, wait)
	}
	c.alive()
}

func TestSubscribe_untilInThePast(t *testing.T) {
	r := newRig(t)
	cursors := r.write(eventList(0, 4)...)
	c := r.dial()
	c.callMore("Subscribe", fmt.Sprintf(`{"until":%q}`, firstTime.Add(2*time.Second).Format(time.RFC3339Nano)))
	c.wantMark(true, false, true)
	c.wantEvents("c0", "c1")
	if last := c.wantMark(false, false, false); last.cursor() == "" {
		t.Error("the last reply has no cursor")
	}
	c.callMore("Subscribe", fmt.Sprintf(`{"after":%q,"until":%q}`, cursors[0], firstTime.Add(2*time.Second).Format(time.RFC3339Nano)))
	c.wantMark(true, false, true)
	c.wantEvents("c1")
	c.wantMark(false, false, false)
}

func TestSubscribe_heartbeat(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.callMore("Subscribe", `{"heartbeatSec":1,"filters":["name=c2"]}`)
	first := c.wantMark(true, true, true)
	begin := time.Now()
	cursors := r.write(event(0), event(1))
	beat := c.wantMark(false, false, true)
	if took := time.Since(begin); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("the heartbeat came after %v, want 1s", took)
	}
	if beat.cursor() == first.cursor() {
		t.Errorf("the cursor of the heartbeat is still %q", beat.cursor())
	}
	r.write(event(2))
	c.wantEvents("c2")
	c.wantMark(false, false, true)

	// A client can resume from the cursor of the heartbeat as from that of the event
	// before.
	other := r.dial()
	other.callMore("Subscribe", fmt.Sprintf(`{"after":%q}`, beat.cursor()))
	other.wantMark(true, false, true)
	other.wantEvents("c2")
	_ = cursors
}

func TestSubscribe_invalidParameters(t *testing.T) {
	r := newRig(t)
	cursor := r.write(event(0))[0]
	c := r.dial()
	for _, test := range []struct{ parameters, name, want string }{
		{`{"heartbeatSec":0}`, errInvalidParameter, `{"parameter":"heartbeatSec"}`},
		{`{"heartbeatSec":3601}`, errInvalidParameter, `{"parameter":"heartbeatSec"}`},
		{`{"fromStart":true,"after":"` + cursor + `"}`, errInvalidParameter, `{"parameter":"fromStart"}`},
		{`{"filters":["nokey"]}`, "io.podman.events.InvalidFilter", `{"filter":"nokey","reason":"it has no '='; give key=value or key!=value"}`},
	} {
		c.callMore("Subscribe", test.parameters)
		c.wantError(test.name, test.want)
	}
	for _, test := range []struct{ parameters, name, want string }{
		{`{"since":"tomorow"}`, "io.podman.events.InvalidTime", `"since","value":"tomorow"`},
		{`{"until":""}`, "io.podman.events.InvalidTime", `"until","value":""`},
		{`{"after":"no cursor"}`, "io.podman.events.InvalidCursor", `"cursor":"no cursor"`},
		{`{"after":""}`, "io.podman.events.InvalidCursor", `"cursor":""`},
		{`{"after":"` + strings.Repeat("x", 256) + `"}`, "io.podman.events.InvalidCursor", `longer than 255 bytes`},
		{`{"filters":["conatiner=x"]}`, "io.podman.events.InvalidFilter", `did you mean \"container\"`},
		{`{"filters":["name=` + strings.Repeat("x", 4096) + `"]}`, "io.podman.events.InvalidFilter", `too long`},
		{`{"filters":[` + strings.Repeat(`"name=x",`, 256) + `"name=y"]}`, "io.podman.events.InvalidFilter", `too many filters`},
	} {
		c.callMore("Subscribe", test.parameters)
		if got := c.receive(); got.Error != test.name || !strings.Contains(got.frame, test.want) {
			t.Errorf("Subscribe(%.80s) is answered with %.300s, want %s with %s", test.parameters, got, test.name, test.want)
		}
	}
	c.callMore("Subscribe", `{"fromStart":false,"after":"`+cursor+`"}`)
	c.wantMark(true, false, true)
}

func TestSubscribe_expiredCursor(t *testing.T) {
	r := newRig(t)
	cursor := r.write(event(0))[0]
	other := newRig(t)
	other.write(event(7))
	c := other.dial()
	c.callMore("Subscribe", fmt.Sprintf(`{"after":%q}`, cursor))
	expired := c.receive()
	oldest, _ := expired.Parameters["oldest"].(string)
	if expired.Error != "io.podman.events.CursorExpired" || oldest == "" || expired.Continues {
		t.Fatalf("reply is %s, want CursorExpired", expired)
	}
	c.callMore("Subscribe", fmt.Sprintf(`{"after":%q}`, oldest))
	c.wantMark(true, false, true)
	c.wantEvents("c7")
}

func TestSubscribe_needsMore(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.call("Subscribe", `{}`)
	c.wantError("org.varlink.service.ExpectedMore", `{}`)
	c.call("Subscribe", `{"nonsense":1}`)
	c.wantError("org.varlink.service.ExpectedMore", `{}`)
	c.send(`{"method":"io.podman.events.Subscribe","oneway":true}`)
	c.alive()
}

func TestSubscribe_counted(t *testing.T) {
	r := newRig(t)
	a, b, c := r.dial(), r.dial(), r.dial()
	for _, s := range []*client{a, b} {
		s.callMore("Subscribe", `{}`)
		s.wantMark(true, true, true)
	}
	if got := c.ask("GetStatus", `{}`); got.Parameters["subscribers"] != 2.0 {
		t.Errorf("status is %s, want 2 subscribers", got)
	}
	a.conn.Close()
	eventually(t, "one subscriber is left", func() bool { return r.feed.Subscribers() == 1 })
}
