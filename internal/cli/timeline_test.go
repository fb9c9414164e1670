package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// crash writes the start and the failure of a container, minutes ago.
func (r *rig) crash(name string, minutes int) {
	r.t.Helper()
	code := 3
	for i, status := range []events.Status{events.Start, events.Exited} {
		e := events.NewEvent(status)
		e.Type, e.Name, e.ID, e.Image = events.Container, name, strings.Repeat("a", 64), "localhost/"+name
		e.Time = e.Time.Add(time.Duration(i-minutes) * time.Minute)
		if status == events.Exited {
			e.ContainerExitCode = &code
		}
		if _, err := r.client().WriteEvent(r.t.Context(), e); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestTimeline(t *testing.T) {
	r := newRig(t, "")
	t.Setenv("COLUMNS", "80")
	t.Setenv("LC_ALL", "C")
	stdout, stderr, code := r.run("timeline")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	if !strings.Contains(stdout, "No container started") {
		t.Errorf("without events it says %s", stdout)
	}
	r.crash("web", 40)
	r.crash("db", 20)
	r.crash("db", 10)
	r.crash("old", 70)

	stdout, _, code = r.run("timeline")
	checkCode(t, code, exitOK)
	lines := strings.Split(stdout, "\n")
	if !strings.Contains(lines[0], "2 containers, 2 in trouble, 3 failures, 1 restart") ||
		!strings.HasPrefix(lines[2], "db ") || !strings.HasPrefix(lines[3], "web ") || !strings.Contains(lines[2], ".=") {
		t.Errorf("the picture is\n%s", stdout)
	}
	stdout, _, _ = r.run("timeline", "-f", "name=web")
	if strings.Contains(stdout, "db ") || !strings.Contains(stdout, "web ") {
		t.Errorf("filtered, the picture is\n%s", stdout)
	}
	t.Setenv("LC_ALL", "C.UTF-8")
	if stdout, _, _ = r.run("timeline"); !strings.Contains(stdout, "━") {
		t.Errorf("in UTF-8 the picture is\n%s", stdout)
	}
}

func TestTimeline_json(t *testing.T) {
	r := newRig(t, "")
	r.crash("web", 40)
	r.crash("web", 20)
	stdout, _, code := r.run("timeline", "--format", "json", "--since", "2h")
	checkCode(t, code, exitOK)
	var got struct {
		Since, Until time.Time
		Lanes        []struct {
			Name, Image, State                 string
			Starts, Restarts, Deaths, Failures int
			LastExitCode                       int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Until.Sub(got.Since) != 2*time.Hour || fmt.Sprint(got.Lanes) != "[{web localhost/web stopped 2 1 2 2 3}]" {
		t.Errorf("got %s", stdout)
	}
}

// --since takes the times of events.
func TestTimeline_since(t *testing.T) {
	r := newRig(t, sample)
	for since, want := range map[string]string{"1d": "", "yesterday": "", "2026-11-23": "", "2999-01-01": "the picture ends now", "soon": "cannot understand since"} {
		_, stderr, code := r.run("timeline", "--since", since)
		if (code == exitOK) != (want == "") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q", since, code, stderr, want)
		}
	}
}

// A timeline that is followed shows what happens, and continues after a restart of the
// service.
func TestTimeline_follow(t *testing.T) {
	r := newRig(t, "")
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- Run(ctx, []string{"eventsvc", "timeline", "--follow", "--address", r.address}, nil, out, io.Discard)
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("it never shows %q", text)
	}
	until("No container started")
	r.crash("web", 4)
	until("web ")
	r.stop()
	until("trying again")
	r.start()
	until("nothing was missed")
	r.crash("db", 3)
	until("db ")
	cancel()
	go func() { _, _ = io.Copy(io.Discard, in) }()
	<-done
}

// Into a pipe, the first picture that is printed has all of the past.
func TestTimeline_followFirst(t *testing.T) {
	r := newRig(t, "")
	for i := range 20 {
		r.crash(fmt.Sprint("web-", i), 4)
	}
	in, out := io.Pipe()
	done := make(chan int)
	go func() {
		done <- Run(t.Context(), []string{"eventsvc", "timeline", "--follow", "--format", "json", "--address", r.address}, nil, out, io.Discard)
	}()
	var got struct{ Lanes []struct{ Name string } }
	if err := json.NewDecoder(in).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Lanes) != 20 {
		t.Errorf("the first picture has %d lanes", len(got.Lanes))
	}
	in.Close()
	r.crash("last", 1) // which ends it
	<-done
}

func TestTimeline_refuses(t *testing.T) {
	r := newRig(t, "")
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"format": {[]string{"--format", "yaml"}, `cannot use --format "yaml": give json, or leave it out for a picture`},
		"since":  {[]string{"--since", "soonish"}, "soonish"},
		"filter": {[]string{"-f", "nam=x"}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := r.run(append([]string{"timeline"}, test.arguments...)...)
			checkCode(t, code, exitError)
			check(t, "stdout", stdout, "")
			if !strings.Contains(stderr, test.want) {
				t.Errorf("stderr is %s, want %s", stderr, test.want)
			}
		})
	}
}
