package iopodman_test

import (
	"strings"
	"testing"
)

// blank is the reply that ends a stream and says that there is nothing.
const blank = `{"parameters":{"events":{"id":"","image":"","name":"","status":"","time":"","type":""}}}`

func TestOneShot_oldestMatch(t *testing.T) {
	lines := append(containers(1, 5), container(5, "died"), container(6, "died"))
	r := newRig(t, lines...)
	for _, test := range []struct {
		name string
		args []string
		want int // of lines, -1: none
	}{
		{"of everything", nil, 0},
		{"since a time", []string{"--since", "2020-05-22T12:00:02.2Z"}, 2},
		{"until a time", []string{"--until", "2020-05-22T12:00:02Z"}, 0},
		{"until a time ahead, without waiting for it", []string{"--until", "-1h", "--filter", "event=died"}, 4},
		{"of a filter", []string{"--filter", "container=c3"}, 2},
		{"if there is none", []string{"--filter", "container=none"}, -1},
		{"if there is none in that time", []string{"--since", "2020-05-22T12:00:06.123456789Z"}, -1},
		{"if there is none before that time", []string{"--until", "2020-05-22T12:00:01.123456789Z"}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := ""
			if test.want >= 0 {
				want = parse(t, lines[test.want]).human(t) + "\n"
			}
			r.run(append([]string{"events", "--stream=false"}, test.args...)...).want(t, 0, want, "")
		})
	}
}

func TestOneShot_emptyLog(t *testing.T) {
	r := newRig(t)
	r.run("events", "--stream=false").want(t, 0, "", "")
	r.run("events", "--since", "2020-01-01", "--until", "0s").want(t, 0, "", "")
	r.append(`{"Name":"n","Status":"create","Time":"2020-05-22T12:00:00Z","Type":"network"}`, "no event")
	r.run("events", "--stream=false").want(t, 0, "", "")
}

func TestOneShot_once(t *testing.T) {
	r := newRig(t, containers(1, 5)...)
	c := r.raw()
	got := c.ask(`{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"","until":""}}`)
	const want = `{"parameters":{"events":{"id":"0000000000000000000000000000000000000000000000000000000000000001",` +
		`"image":"docker.io/library/alpine:latest","name":"c1","status":"create","time":"2020-05-22T12:00:01.123456789Z",` +
		`"type":"container"}}}`
	if got != want {
		t.Errorf("reply is\n%s, want\n%s", got, want)
	}
	if got = c.ask(`{"method":"io.podman.GetEvents","parameters":{"filter":["type=pod"],"since":"","until":""}}`); got != blank {
		t.Errorf("without a match the reply is %s, want a blank event", got)
	}
	// What comes next is the reply to the next call, be there more events or not.
	if got = c.ask(`{"method":"io.podman.GetVersion"}`); !strings.Contains(got, `"version":"1.2.3"`) {
		t.Errorf("after the reply comes %s", got)
	}
}

func TestOneShot_oneway(t *testing.T) {
	r := newRig(t, containers(1, 5)...)
	c := r.raw()
	c.send(`{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"","until":""},"oneway":true}`)
	c.send(`{"method":"io.podman.GetEvents","parameters":{"filter":["bad"],"since":"","until":""},"oneway":true}`)
	if got := c.ask(`{"method":"io.podman.GetVersion"}`); !strings.Contains(got, `"version":"1.2.3"`) {
		t.Errorf("reply is %s", got)
	}
}
