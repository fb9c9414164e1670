package service

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/limits"
)

func TestWriteEvent_reachesSubscribers(t *testing.T) {
	r := newRig(t)
	follower := r.dial()
	follower.callMore("Subscribe", `{}`)
	follower.wantMark(true, true, true)
	c := r.dial()
	got := c.ask("WriteEvent", `{"event":{"type":"container","status":"exec_died","time":"2026-11-23T13:00:00.5+01:00","id":"abc",
		"name":"web","image":"alpine","podId":"def","network":"net","exitCode":0,"healthStatus":"healthy","healthLog":"fine\n",
		"healthFailingStreak":2,"error":"none","attributes":{"k":"v","empty":""}}}`)
	if got.Error != "" || got.cursor() == "" || len(got.Parameters) != 1 {
		t.Fatalf("reply is %s, want a cursor", got)
	}
	want := fmt.Sprintf(`{"cursor":%q,"time":"2026-11-23T12:00:00.500000000Z","timestampUSec":1795435200500000,"type":"container",
		"status":"exec_died","id":"abc","name":"web","image":"alpine","podId":"def","network":"net","exitCode":0,
		"healthStatus":"healthy","healthLog":"fine\n","healthFailingStreak":2,"error":"none","attributes":{"k":"v","empty":""},
		"uid":%d}`, got.cursor(), os.Getuid())
	if event := follower.wantEvents("web").Parameters["event"]; !equalJSON(t, event, want) {
		t.Errorf("the subscriber got\n%v, want\n%s", event, want)
	}
	if event := c.ask("GetLastEvent", `{}`).Parameters["event"]; !equalJSON(t, event, want) {
		t.Errorf("the store has\n%v, want\n%s", event, want)
	}
	log, err := os.ReadFile(r.log)
	if err != nil || strings.Count(string(log), "\n") != 1 {
		t.Errorf("the log is %q, %v, want one line", log, err)
	}
}

func TestWriteEvent_timeAndWords(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	before := time.Now()
	for _, status := range []string{"auto_update", "log_rotation", "pull_error"} {
		if got := c.ask("WriteEvent", `{"event":{"type":"system","status":"`+status+`"}}`); got.Error != "" {
			t.Fatalf("reply is %s", got)
		}
		got := c.ask("GetLastEvent", `{}`).Parameters["event"].(map[string]any)
		when, err := time.Parse(time.RFC3339Nano, got["time"].(string))
		if err != nil || when.Before(before.Add(-time.Millisecond)) || when.After(time.Now()) || got["status"] != status {
			t.Errorf("event is %v, want %s now", got, status)
		}
	}
	log, _ := os.ReadFile(r.log)
	for _, word := range []string{`"auto-update"`, `"log-rotation"`, `"pull-error"`} {
		if !strings.Contains(string(log), word) {
			t.Errorf("the log has no %s: %s", word, log)
		}
	}
}

func TestWriteEvent_invalidField(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	long := strings.Repeat("<", limits.Event/6)
	var many strings.Builder
	for i := range limits.Labels {
		fmt.Fprintf(&many, `"%d":"",`, i)
	}
	for _, test := range []struct{ event, field, reason string }{
		{`{"type":"unknown","status":"create"}`, "type", `unknown event type "unknown"`},
		{`{"type":"container","status":"unknown"}`, "status", `unknown event status "unknown"`},
		{`{"type":"container","status":"died","exitCode":4294967296}`, "exitCode", "must be between"},
		{`{"type":"container","status":"died","exitCode":-2147483649}`, "exitCode", "must be between"},
		{`{"type":"container","status":"died","id":"a\u0000b"}`, "id", "NUL"},
		{`{"type":"container","status":"died","name":"\u0000"}`, "name", "NUL"},
		{`{"type":"container","status":"died","podId":"\u0000"}`, "podId", "NUL"},
		{`{"type":"container","status":"died","attributes":{"a\u0000":"b"}}`, "attributes", "NUL"},
		{`{"type":"container","status":"died","attributes":{"":"b"}}`, "attributes", "no name"},
		{`{"type":"container","status":"died","attributes":{` + many.String() + `"one more":""}}`, "attributes", "there are 4097; give at most 4096"},
		{`{"type":"container","status":"died","healthFailingStreak":-1}`, "healthFailingStreak", "must be between"},
		{`{"type":"container","status":"died","healthLog":"` + long + `"}`, "healthLog", "too long"},
		{`{"type":"container","status":"died","name":"x","attributes":{"a":"` + long + `"}}`, "attributes", "too long"},
	} {
		got := c.ask("WriteEvent", `{"event":`+test.event+`}`)
		reason, _ := got.Parameters["reason"].(string)
		if got.Error != "io.podman.events.InvalidEvent" || got.Parameters["field"] != test.field || !strings.Contains(reason, test.reason) {
			t.Errorf("WriteEvent(%.100s) is answered with %.300s, want InvalidEvent of %s with %q", test.event, got, test.field, test.reason)
		}
	}
	for _, value := range []string{"", "overmorrow", "2026-02-30T00:00:00Z", "1500-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "10m"} {
		got := c.ask("WriteEvent", `{"event":{"type":"pod","status":"create","time":"`+value+`"}}`)
		if got.Error != "io.podman.events.InvalidTime" || got.Parameters["field"] != "time" || got.Parameters["value"] != value {
			t.Errorf("the time %q is answered with %s, want InvalidTime", value, got)
		}
	}
	if log, err := os.ReadFile(r.log); err == nil && len(log) > 0 {
		t.Errorf("the log has %q", log)
	}
}

func TestWriteEvent_invalidParameters(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for _, test := range []struct{ method, parameters, field string }{
		{"WriteEvent", `{}`, "event"},
		{"WriteEvent", `{"event":null}`, "event"},
		{"WriteEvent", `{"event":"x"}`, "event"},
		{"WriteEvent", `{"event":{}}`, "type"},
		{"WriteEvent", `{"event":{"type":"container"}}`, "status"},
		{"WriteEvent", `{"event":{"type":"container","status":null}}`, "status"},
		{"WriteEvent", `{"event":{"type":"conatiner","status":"create"}}`, "type"},
		{"WriteEvent", `{"event":{"type":"container","status":"auto-update"}}`, "status"},
		{"WriteEvent", `{"event":{"type":3,"status":"create"}}`, "type"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","exitCode":1.5}}`, "exitCode"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","exitCode":1e2}}`, "exitCode"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","exitCode":9223372036854775808}}`, "exitCode"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","exitCode":"0"}}`, "exitCode"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","ID":"x"}}`, "ID"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","":"x"}}`, ""},
		{"WriteEvent", `{"event":{"type":"container","status":"create","cursor":"x"}}`, "cursor"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","id":"x","id":"y"}}`, "id"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","id":"x","\u0069d":"y"}}`, "id"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","attributes":[]}}`, "attributes"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","attributes":{"a":1}}}`, "attributes"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","attributes":{"a":null}}}`, "attributes"},
		{"WriteEvent", `{"event":{"type":"container","status":"create","attributes":{"a":"1","a":"2"}}}`, "attributes"},
		{"WriteEvent", `{"event":{"type":"container","status":"create"},"sync":true}`, "sync"},
		{"GetEvents", `{"filters":"name=x"}`, "filters"},
		{"GetEvents", `{"filters":[1]}`, "filters"},
		{"GetEvents", `{"filters":[null]}`, "filters"},
		{"GetEvents", `{"filters":[["x"]]}`, "filters"},
		{"GetEvents", `{"since":0}`, "since"},
		{"GetEvents", `{"limit":"1"}`, "limit"},
		{"GetEvents", `{"limit":99999999999999999999}`, "limit"},
		{"GetEvents", `{"limit":1,"limit":2}`, "limit"},
		{"GetEvents", `{"fromStart":true}`, "fromStart"},
		{"GetEvents", `{"Filters":[]}`, "Filters"},
		{"GetLastEvent", `{"since":"now"}`, "since"},
	} {
		c.call(test.method, test.parameters)
		got := c.receive()
		if got.Error != errInvalidParameter || got.Parameters["parameter"] != test.field {
			t.Errorf("%s(%s) is answered with %s, want InvalidParameter of %q", test.method, test.parameters, got, test.field)
		}
	}
	c.callMore("Subscribe", `{"fromStart":1}`)
	c.wantError(errInvalidParameter, `{"parameter":"fromStart"}`)
	c.callMore("Subscribe", `{"heartbeatSec":1.0}`)
	c.wantError(errInvalidParameter, `{"parameter":"heartbeatSec"}`)
}

func TestWriteEvent_stranger(t *testing.T) {
	r := newRig(t, as(stranger))
	c := r.dial()
	for _, parameters := range []string{`{"event":{"type":"container","status":"create"}}`, `{"event":{"type":"unknown","status":"x"}}`, `{}`} {
		c.call("WriteEvent", parameters)
		c.wantError("org.varlink.service.PermissionDenied", `{}`)
	}
	if log := r.logged.String(); !strings.Contains(log, "permission denied") || !strings.Contains(log, fmt.Sprint("uid=", stranger.UID)) || !strings.Contains(log, "pid=77") {
		t.Errorf("the log does not say who was denied: %s", log)
	}
	c.alive()
}

func TestWriteEvent_allowedUser(t *testing.T) {
	r := newRig(t, as(stranger), func(r *rig, _ *Options) { r.access.Writers.GIDs = []uint32{stranger.GID} })
	c := r.dial()
	if got := c.ask("WriteEvent", `{"event":{"type":"container","status":"create"}}`); got.Error != "" {
		t.Errorf("reply is %s", got)
	}
}

func TestWriteEvent_readOnlySocket(t *testing.T) {
	r := newRig(t)
	path := r.listen(t.Context(), "ro,readonly,mode=0666")
	c := dial(t, path)
	c.call("WriteEvent", `{"event":{"type":"container","status":"create"}}`)
	c.wantError("org.varlink.service.PermissionDenied", `{}`)
	c.callMore("Subscribe", `{}`)
	c.wantMark(true, true, true)
	if got := r.dial().ask("WriteEvent", `{"event":{"type":"volume","status":"create","name":"v"}}`); got.Error != "" {
		t.Errorf("through the other socket the reply is %s", got)
	}
	c.wantEvents("v")
}

func TestGetEvents_stranger(t *testing.T) {
	r := newRig(t, as(stranger))
	r.write(eventList(0, 3)...) // of the user of the test
	c := r.dial()
	wantPage(t, c.ask("GetEvents", `{}`), nil, true, false)
	wantPage(t, c.ask("GetEvents", `{"allUsers":true,"filters":["uid=*"]}`), nil, true, false)
	c.call("GetLastEvent", `{}`)
	c.wantError("io.podman.events.EventNotFound", `{}`)
	status := c.ask("GetStatus", `{}`)
	if _, ok := status.Parameters["path"]; ok || status.Error != "" || strings.Contains(status.frame, r.dir) {
		t.Errorf("status is %s, want no path", status)
	}
	c.callMore("Subscribe", `{"fromStart":true,"heartbeatSec":1}`)
	c.wantMark(true, false, true)
	c.wantMark(false, true, true)
	r.write(event(3))
	c.wantMark(false, false, true)

	owner := newRig(t, as(access.Peer{UID: 4321}), func(r *rig, _ *Options) { r.access.Readers.UIDs = []uint32{4321} })
	owner.write(eventList(0, 3)...)
	a := owner.dial()
	wantPage(t, a.ask("GetEvents", `{}`), nil, true, false)
	wantPage(t, a.ask("GetEvents", `{"allUsers":false}`), nil, true, false)
	wantPage(t, a.ask("GetEvents", `{"allUsers":true}`), nameList(0, 3), true, false)
	wantPage(t, a.ask("GetEvents", `{"filters":["uid=*"]}`), nameList(0, 3), true, false)
	if got := a.ask("GetStatus", `{}`); got.Parameters["path"] != owner.log {
		t.Errorf("status is %s, want path %s", got, owner.log)
	}
}

func TestFault_noPathForStrangers(t *testing.T) {
	r := newRig(t, as(stranger), func(r *rig, _ *Options) { r.access.Writers.UIDs = []uint32{stranger.UID} })
	if err := os.Mkdir(r.log, 0o700); err != nil {
		t.Fatal(err)
	}
	c := r.dial()
	for _, call := range []string{"GetEvents", "GetLastEvent", "GetStatus", "WriteEvent"} {
		parameters := `{}`
		if call == "WriteEvent" {
			parameters = `{"event":{"type":"volume","status":"create"}}`
		}
		got := c.ask(call, parameters)
		if strings.Contains(got.frame, r.dir) || strings.Contains(got.frame, ".go") {
			t.Errorf("%s is answered with %s", call, got)
		}
		t.Log(got)
	}
}

func TestGetStatus_everyMember(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	got := c.ask("GetStatus", `{}`)
	if !equalJSON(t, got.Parameters, fmt.Sprintf(`{"version":"1.2.3","backend":"file","path":%q,"eventsRead":0,"eventsWritten":0,
		"subscribers":0,"skipped":0}`, r.log)) {
		t.Errorf("status of an empty store is %s", got)
	}
	c.ask("WriteEvent", `{"event":{"type":"pod","status":"create","time":"2026-01-01T00:00:00Z"}}`)
	c.ask("WriteEvent", `{"event":{"type":"pod","status":"remove","time":"2025-01-01T00:00:00.1Z"}}`)
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, "no event")
	got = c.ask("GetStatus", `{}`)
	for key, want := range map[string]any{
		"oldest": "2026-01-01T00:00:00.000000000Z", "newest": "2025-01-01T00:00:00.100000000Z",
		"eventsRead": 2.0, "eventsWritten": 2.0, "skipped": 1.0,
	} {
		if got.Parameters[key] != want {
			t.Errorf("%s is %v, want %v, in %s", key, got.Parameters[key], want, got)
		}
	}
	if last, _ := got.Parameters["lastSkipped"].(string); last == "" {
		t.Errorf("status does not say what was skipped: %s", got)
	}
	if _, ok := got.Parameters["fault"]; ok {
		t.Errorf("status has a fault: %s", got)
	}
}

func TestWriteEvent_writerGone(t *testing.T) {
	r := newRig(t)
	a := r.dial()
	a.call("WriteEvent", `{"event":{"type":"volume","status":"create","name":"gone"}}`)
	a.conn.Close()
	b := r.dial()
	b.send(`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume","status":"create","name":"oneway"}},"oneway":true}`)
	b.conn.Close()
	c := r.dial()
	for _, name := range []string{"gone", "oneway"} {
		eventually(t, name+" is there", func() bool { return c.ask("GetLastEvent", `{"filters":["name=`+name+`"]}`).name() == name })
	}
}

func TestWriteEvent_nullMembers(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	null := map[string]any{"type": "image", "status": "pull", "time": nil}
	for _, key := range []string{
		"id", "name", "image", "podId", "network", "exitCode", "healthStatus", "healthLog", "healthFailingStreak", "error", "attributes",
	} {
		null[key] = nil
	}
	text, err := json.Marshal(map[string]any{"event": null})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ask("WriteEvent", string(text)); got.Error != "" {
		t.Fatalf("reply is %s", got)
	}
	got := c.ask("GetLastEvent", `{}`).Parameters["event"].(map[string]any)
	if len(got) != 6 { // cursor, time, timestampUSec, type, status, uid
		t.Errorf("event is %v, want no field that was null", got)
	}
}
