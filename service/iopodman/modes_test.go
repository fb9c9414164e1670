package iopodman_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/store/null"
)

// Events are shown as JSON and by a template.
func TestEvents_jsonAndTemplate(t *testing.T) {
	lines := allSamples(t)
	r := newRig(t, lines...)
	var wantJSON, wantText strings.Builder
	for _, line := range lines {
		e := parse(t, line)
		if !e.isKnown() {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil {
			t.Fatal(err)
		}
		// In this order, and without what is empty.
		b, err := json.Marshal(struct {
			ID     string `json:",omitempty"`
			Image  string `json:",omitempty"`
			Name   string `json:",omitempty"`
			Status string
			Time   time.Time
			Type   string
		}{e.ID, e.Image, e.Name, e.Status, at, e.Type})
		if err != nil {
			t.Fatal(err)
		}
		wantJSON.WriteString(string(b) + "\n")
		wantText.WriteString(e.ID + " " + e.Status + " " + at.String() + " 0\n")
	}
	r.run(past("--format", "json")...).want(t, 0, wantJSON.String(), "")
	r.run(past("--format", "{{.ID}} {{.Status}} {{.Time}} {{.ContainerExitCode}}")...).want(t, 0, wantText.String(), "")
}

func TestModes_anyName(t *testing.T) {
	lines := []string{
		`{"ID":"a","Image":"i\u003ci\u003e","Name":"quote \" backslash \\ tab \t \u2028 é 漢 😀","Status":"create","Time":"2020-05-22T12:00:00.1+05:30","Type":"container"}`,
		`{"Name":"` + strings.Repeat("x", 100_000) + `","Status":"create","Time":"2020-05-22T12:00:00Z","Type":"volume"}`,
		`{"Name":"no fraction","Status":"create","Time":"2020-05-22T12:00:00-11:59","Type":"volume","Attributes":{"a":"b"}}`,
		`{ "type":"volume", "STATUS":"create", "Time":"1066-10-14T09:00:00Z","Name":"unusual form"}`,
		`{"Name":"twelve digits","Status":"create","Time":"2020-05-22T12:00:00.123456789012Z","Type":"volume"}`,
	}
	r := newRig(t, lines...)
	r.run("events", "--until", "0s").want(t, 0, printed(t, lines, all), "")
}

const keepsNothing = "Error: cannot read events: the backend is 'none', which keeps no events; " +
	"set events_logger to file or journald in containers.conf\n"

func TestModes_backendThatKeepsNothing(t *testing.T) {
	r := newRoom(t)
	r.serve(new(null.Store))
	for _, args := range [][]string{
		{"events"}, {"events", "--stream=false"}, past(), {"events", "--since", "1h"}, {"events", "--until", "-1h"},
	} {
		r.run(args...).want(t, 125, "", keepsNothing)
	}
	r.run("events", "--filter", "bad").want(t, 125, "",
		`Error: cannot understand filter "bad": it has no '='; give key=value, such as container=web`+"\n")
	if got := hostOf(t, r); got.Eventlogger != "none" {
		t.Errorf("eventlogger is %q", got.Eventlogger)
	}
}

func TestModes_unreadableLog(t *testing.T) {
	r := newRig(t)
	if err := os.Mkdir(r.log, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"events"}, {"events", "--stream=false"}, past()} {
		got := r.run(args...)
		if got.code != 125 || got.stdout != "" || !strings.HasPrefix(got.stderr, "Error: cannot ") || !strings.Contains(got.stderr, r.log) {
			t.Errorf("%v: %+v, want a reason that names the log", args, got)
		}
	}
}
