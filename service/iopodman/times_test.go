package iopodman_test

import (
	"fmt"
	"testing"
	"time"
)

// Every form of time of Podman 1 is honoured.
func TestTimes_podman1(t *testing.T) {
	lines := []string{
		`{"Name":"a","Status":"create","Time":"2020-05-21T23:59:59.999999999Z","Type":"volume"}`,
		`{"Name":"b","Status":"create","Time":"2020-05-22T00:00:00.5Z","Type":"volume"}`,
		`{"Name":"c","Status":"create","Time":"2020-05-22T14:00:00.25+02:00","Type":"volume"}`,
		`{"Name":"d","Status":"create","Time":"2020-05-23T00:00:00.000000001Z","Type":"volume"}`,
	}
	r := newRig(t, lines...)
	for _, test := range []struct {
		args []string
		want string // the names
	}{
		{[]string{"--since", "2020-05-22"}, "bcd"},
		{[]string{"--since", "2020-05-22+02:00"}, "abcd"},
		{[]string{"--since", "2020-05-22Z"}, "bcd"},
		{[]string{"--since", "2020-05-22T00:00:00.5"}, "cd"},
		{[]string{"--since", "2020-05-22T00:00:00.4"}, "bcd"},
		{[]string{"--since", "2020-05-22T12:00:00"}, "cd"},
		{[]string{"--since", "2020-05-22T14:00:00.25+02:00"}, "d"},
		{[]string{"--since", "2020-05-22T12:00:00.249999999Z"}, "cd"},
		{[]string{"--since", "1590148800"}, "cd"},
		{[]string{"--since", "1590148800.25"}, "d"},
		{[]string{"--since", "0"}, "abcd"},
		{[]string{"--until", "2020-05-22"}, "a"},
		{[]string{"--until", "2020-05-22T12:00:00.25Z"}, "ab"},
		{[]string{"--until", "1590192000"}, "abc"},
		{[]string{"--since", "2020-05-22", "--until", "2020-05-23"}, "bc"},
		{[]string{"--since", "2020-05-23", "--until", "2020-05-22"}, ""},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			want := ""
			for _, line := range lines {
				for _, name := range test.want {
					if e := parse(t, line); e.Name == string(name) {
						want += e.human(t) + "\n"
					}
				}
			}
			args := append([]string{"events"}, test.args...)
			if test.args[0] == "--since" && len(test.args) == 2 {
				args = append(args, "--until", "0s")
			}
			r.run(args...).want(t, 0, want, "")
		})
	}
}

// A duration counts back from now in both bounds, and ahead with a minus.
func TestTimes_durationsInBothBounds(t *testing.T) {
	now := time.Now()
	line := func(name string, at time.Time) string {
		return fmt.Sprintf(`{"Name":%q,"Status":"create","Time":%q,"Type":"volume"}`, name, at.Format(time.RFC3339Nano))
	}
	lines := []string{
		line("old", now.Add(-3*time.Hour)), line("recent", now.Add(-time.Hour)), line("future", now.Add(time.Hour)),
	}
	r := newRig(t, lines...)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--since", "2h", "--until", "0s"}, lines[1:2]},
		{[]string{"--since", "+2h", "--until", "0s"}, lines[1:2]},
		{[]string{"--since", "4h", "--until", "2h30m"}, lines[:1]},
		{[]string{"--until", "2h"}, lines[:1]},
		{[]string{"--since", "2h", "--until", "-2h", "--stream=false"}, lines[1:2]},
		{[]string{"--since", "2 hours", "--until", "1min ago"}, lines[1:2]},
		{[]string{"--since", "1d", "--until", "2 hr"}, lines[:1]},
		{[]string{"--since", "-30m", "--until", "-2h", "--stream=false"}, lines[2:]},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			r.run(append([]string{"events"}, test.args...)...).want(t, 0, printed(t, test.want, all), "")
		})
	}
}

// A bad time is refused in words that help.
func TestTimes_bad(t *testing.T) {
	r := newRig(t, containers(1, 3)...)
	const hint = "give RFC 3339 (2006-01-02T15:04:05Z), a date, Unix seconds or 'now', or a duration such as 10m, 2d or '1 hour ago'\n"
	for _, value := range []string{"overmorrow", "10", "1h2", "5 moments"} {
		for _, bound := range []string{"since", "until"} {
			if value == "10" {
				continue // seconds since the epoch
			}
			for _, more := range [][]string{nil, {"--stream=false"}} {
				want := fmt.Sprintf("Error: cannot understand %s %q: %s", bound, value, hint)
				r.run(append([]string{"events", "--" + bound, value}, more...)...).want(t, 125, "", want)
			}
		}
	}
	r.run("events", "--since", "2020-02-30").want(t, 125, "", `Error: cannot understand since "2020-02-30": there is no such date; `+hint)
}
