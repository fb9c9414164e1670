package test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// stateLog is the log of four containers, of which one was removed.
const stateLog = `{"ID":"d1","Image":"pg","Name":"db","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"container","Attributes":{"app":"shop"}}
{"ID":"d1","Image":"pg","Name":"db","Status":"start","Time":"2026-11-23T12:00:01Z","Type":"container","Attributes":{"app":"shop"}}
{"ID":"d1","Image":"pg","Name":"db","Status":"health_status","health_status":"healthy","Time":"2026-11-23T12:00:02Z","Type":"container"}
{"ID":"d1","Image":"pg","Name":"db","Status":"died","Time":"2026-11-23T12:00:03Z","Type":"container","ContainerExitCode":1}
{"ID":"d1","Image":"pg","Name":"db","Status":"start","Time":"2026-11-23T12:00:04Z","Type":"container"}
{"ID":"w1","Image":"nginx","Name":"web","Status":"start","Time":"2026-11-23T12:00:05Z","Type":"container"}
{"ID":"j1","Image":"busybox","Name":"job","Status":"start","Time":"2026-11-23T12:00:06Z","Type":"container"}
{"ID":"j1","Image":"busybox","Name":"job","Status":"died","Time":"2026-11-23T12:00:07Z","Type":"container","ContainerExitCode":7}
{"ID":"g1","Image":"busybox","Name":"gone","Status":"start","Time":"2026-11-23T12:00:08Z","Type":"container"}
{"ID":"g1","Image":"busybox","Name":"gone","Status":"remove","Time":"2026-11-23T12:00:09Z","Type":"container"}
{"ID":"d1","Image":"pg","Name":"db","Status":"health_status","health_status":"unhealthy","Time":"2026-11-23T12:00:10Z","Type":"container"}
{"ID":"d1","Image":"pg","Name":"db","Status":"health_status","health_status":"unhealthy","Time":"2026-11-23T12:00:11Z","Type":"container"}
{"ID":"w1","Image":"nginx","Name":"web","Status":"pause","Time":"2026-11-23T12:00:12Z","Type":"container"}
`

// TestGetState_onBothInterfaces: the present state, and a cursor from which a follower
// misses nothing.
func TestGetState_onBothInterfaces(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	d := newDaemon(t, "--dbus", bus.Address())
	appendTo(t, d.log, stateLog)
	d.start()
	awaitName(t, bus)
	type object struct {
		Name, Status, Since, HealthStatus, HealthSince string
		ExitCode                                       *int
		Restarts                                       int
	}
	ask := func(parameters string) (reply struct {
		Error      string
		Parameters struct {
			Objects                []object
			Cursor, Oldest, Reason string
		}
	},
	) {
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(w.conn, `{"method":"io.podman.events.GetState","parameters":`+parameters+"}\x00"); err != nil {
			t.Fatal(err)
		}
		frame, err := w.r.ReadString(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(frame, "\x00")), &reply); err != nil {
			t.Fatalf("%v in %s", err, frame)
		}
		return reply
	}
	text := func(list []object) string {
		var b strings.Builder
		for _, o := range list {
			fmt.Fprintf(&b, "%s %s %s", o.Name, o.Status, o.Since[17:19])
			if o.ExitCode != nil {
				fmt.Fprintf(&b, " code=%d", *o.ExitCode)
			}
			if o.HealthStatus != "" {
				fmt.Fprintf(&b, " %s %s", o.HealthStatus, o.HealthSince[17:19])
			}
			fmt.Fprintf(&b, " restarts=%d\n", o.Restarts)
		}
		return b.String()
	}
	all := ask(`{}`)
	const want = "job died 07 code=7 restarts=0\ndb start 04 unhealthy 10 restarts=1\nweb pause 12 restarts=0\n"
	if got := text(all.Parameters.Objects); got != want || !strings.HasPrefix(all.Parameters.Oldest, "2026-11-23T12:00:00") {
		t.Errorf("the state is\n%s, since %s, want\n%s", got, all.Parameters.Oldest, want)
	}
	appendTo(t, d.log, `{"ID":"w1","Image":"nginx","Name":"shop","Status":"rename","Time":"2026-11-23T12:00:13Z","Type":"container"}`+"\n"+
		`{"ID":"w1","Image":"nginx","Name":"shop","Status":"mount","Time":"2026-11-23T12:00:14Z","Type":"container"}`+"\n")
	for parameters, want := range map[string]string{
		`{"filters":["name=web"]}`:                               "",
		`{"filters":["container=shop"]}`:                         "shop pause 12 restarts=0\n",
		`{"filters":["container=w1"]}`:                           "shop pause 12 restarts=0\n",
		`{"filters":["name=d*"],"since":"2026-11-23T12:00:05Z"}`: "db start 04 unhealthy 10 restarts=0\n",
		`{"filters":["container=none"]}`:                         "",
		`{"filters":["health=unhealthy"]}`:                       "db start 04 unhealthy 10 restarts=1\n",
		`{"filters":["event=died","exit-code!=0"]}`:              "job died 07 code=7 restarts=0\n",
	} {
		if got := text(ask(parameters).Parameters.Objects); got != want {
			t.Errorf("%s: %s, want %s", parameters, got, want)
		}
	}
	for _, filter := range []string{"health=changed", "nope=1"} {
		if got := ask(`{"filters":["` + filter + `"]}`); got.Error != "io.podman.events.InvalidFilter" {
			t.Errorf("%s: %+v", filter, got)
		}
	}
	appendTo(t, d.log, strings.ReplaceAll(lineOf("after"), "\x00", ""))
	w := d.subscribe(params{"after": all.Parameters.Cursor, "filters": []string{"name=after"}})
	for {
		r, err := w.recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := r.Parameters.Event; e != nil {
			if e.Name != "after" {
				t.Errorf("after the cursor of the state comes %s", e.Name)
			}
			break
		}
	}
	r := &dbusRig{t: t, bus: bus}
	out := r.busctl("call", busName, objectPath, busName, "GetState", "asa{sv}", "1", "type=container", "0")
	for _, part := range []string{
		`a(ssssta{sv})st 3 "container" "died" "j1" "job"`, `"exit_code" i 7`, `"container" "start" "d1" "db"`, `"health_status" s "unhealthy"`,
		`"restarts" u 1`, `"container" "pause" "w1" "shop"`, "1795435200000000",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("on D-Bus there is no %s in %s", part, out)
		}
	}
}

// TestGetState_ofTooManyObjects gets an error that says so, and the service takes no more
// memory for it.
func TestGetState_ofTooManyObjects(t *testing.T) {
	d := newDaemon(t)
	var b strings.Builder
	for i := range 1100 {
		fmt.Fprintf(&b, `{"ID":"c%d","Name":"c%d","Status":"start","Time":"2026-11-23T12:00:00Z","Type":"container"}`+"\n", i, i)
	}
	appendTo(t, d.log, b.String())
	d.start()
	if r := d.call("GetState", params{}); r.Error != "io.podman.events.InvalidFilter" || !strings.Contains(r.Parameters.Reason, "more than 1000 objects") {
		t.Errorf("%+v", r)
	}
	if r := d.call("GetState", params{"filters": []string{"name=c1?"}}); r.Error != "" {
		t.Errorf("%+v", r)
	}
}
