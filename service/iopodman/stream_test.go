package iopodman_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const expired = "Error: cannot go on: the event log was replaced, and events may have been lost; run the command again, " +
	"with --since to see what the log still holds\n"

func TestStream_startsNow(t *testing.T) {
	r := newRig(t, containers(1, 5)...)
	c := r.followers(1)[0]
	fresh := append(containers(10, 20), `{"Name":"v","Status":"create","Time":"2020-05-22T12:00:00+02:00","Type":"volume"}`)
	r.append(fresh...)
	want := printed(t, fresh, all)
	eventually(t, "what is new is printed", func() bool { return behindProbes(c.out.String()) == want })
	c.kill()
	c.wait()
	eventually(t, "end of the subscriptions", func() bool { return r.feed.Subscribers() == 0 })
}

func TestStream_noTimes(t *testing.T) {
	r := newRig(t, containers(1, 3)...)
	for _, parameters := range []string{`{"since":"1000h"}`, `{"filter":null,"since":"2020-01-01","until":null}`, `{"filter":[],"since":"0"}`} {
		c := r.raw()
		c.send(`{"method":"io.podman.GetEvents","parameters":` + parameters + `,"more":true}`)
		if parameters == `{"since":"1000h"}` {
			continue // what it is shown depends on the clock: it is enough that nothing else is
		}
		if got := c.receive(); !strings.Contains(got, `"name":"c1"`) || !strings.HasSuffix(got, `,"continues":true}`) {
			t.Errorf("%s is answered with %s", parameters, got)
		}
	}
}

func TestStream_since(t *testing.T) {
	lines := containers(1, 8)
	r := newRig(t, lines...)
	// Bounds are exclusive.
	c := r.start("events", "--since", "2020-05-22T12:00:03.123456789Z")
	want := printed(t, lines[3:], all)
	eventually(t, "the past is printed", func() bool { return c.out.String() == want })
	r.append(container(100, "start"))
	want += printed(t, []string{container(100, "start")}, all)
	eventually(t, "what is new is printed", func() bool { return c.out.String() == want })
	c.kill()
	c.wait()
}

func TestStream_untilInThePast(t *testing.T) {
	lines := containers(1, 8)
	r := newRig(t, lines...)
	r.run("events", "--until", "2020-05-22T12:00:05Z").want(t, 0, printed(t, lines[:4], all), "")
	r.run("events", "--until", "2019-01-01").want(t, 0, "", "")

	c := r.raw()
	c.send(`{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"","until":"2020-05-22T12:00:03Z"},"more":true}`)
	for _, name := range []string{"c1", "c2"} {
		if got := c.receive(); !strings.Contains(got, `"name":"`+name+`"`) || !strings.HasSuffix(got, `,"continues":true}`) {
			t.Errorf("reply is %s, want %s", got, name)
		}
	}
	if got := c.receive(); got != blank {
		t.Errorf("the last reply is %s, want a blank event", got)
	}
	// Whatever comes next is the reply to the next call.
	if got := c.ask(`{"method":"io.podman.GetVersion"}`); !strings.Contains(got, `"version":"1.2.3"`) {
		t.Errorf("after the last reply comes %s", got)
	}
}

func TestStream_untilInTheFuture(t *testing.T) {
	r := newRig(t, containers(1, 4)...)
	const ahead = 700 * time.Millisecond
	begin := time.Now()
	c := r.start("events", "--until", "-"+ahead.String())
	c.printed("name=c3")
	r.append(container(4, "create"))
	c.wait().want(t, 0, printed(t, containers(1, 5), all), "")
	if took := time.Since(begin); took < ahead || took > ahead+5*time.Second {
		t.Errorf("it ended after %s, want %s", took, ahead)
	}
	begin = time.Now()
	r.run("events", "--until", time.Now().Add(ahead).Format(time.RFC3339Nano), "--filter", "event=push").want(t, 0, "", "")
	if took := time.Since(begin); took < ahead-time.Millisecond || took > ahead+5*time.Second {
		t.Errorf("without an event it ended after %s, want %s", took, ahead)
	}
}

func TestStream_serviceStops(t *testing.T) {
	r := newRig(t)
	commands := r.followers(3)
	r.stop()
	for _, c := range commands {
		got := c.wait()
		result{got.code, behindProbes(got.stdout), got.stderr}.want(t, 125, "",
			"Error: cannot go on: the event service is stopping; run the command again when it is back\n")
	}
}

func TestStream_logCutOff(t *testing.T) {
	r := newRig(t, containers(1, 50)...)
	c := r.followers(1)[0]
	if err := os.Truncate(r.log, 0); err != nil {
		t.Fatal(err)
	}
	r.append(containers(1000, 1010)...)
	got := c.wait()
	result{got.code, behindProbes(got.stdout), got.stderr}.want(t, 125, "", expired)
	// The next command works.
	r.run("events", "--since", "2020-01-01", "--until", "0s").want(t, 0, printed(t, containers(1000, 1010), all), "")
}

func TestStream_twoHundredFollowers(t *testing.T) {
	clients, count := 200, 500
	if realClient() != "" || testing.Short() {
		clients = 20
	}
	r := newRig(t)
	commands := r.followers(clients)
	for from := 1; from <= count; from += 100 {
		r.append(containers(from, from+100)...)
	}
	want, last := printed(t, containers(1, count+1), all), fmt.Sprintf("name=c%d)\n", count)
	for _, c := range commands {
		eventually(t, "everything is printed", func() bool { return c.out.EndsWith(last) })
		if got := behindProbes(c.out.String()); got != want {
			t.Fatalf("a follower printed %d lines, want %d, each once", strings.Count(got, "\n"), count)
		}
		c.kill()
	}
	eventually(t, "end of the subscriptions", func() bool { return r.feed.Subscribers() == 0 })
}
