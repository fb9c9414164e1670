package timeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

var end = time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)

// happened returns an event some minutes before the end.
func happened(minutes float64, name string, status events.Status, more ...func(*events.Event)) *events.Event {
	e := &events.Event{
		Type: events.Container, Status: status, Name: name, ID: strings.Repeat("0", 64), Image: "quay.io/example/" + name,
		Time: end.Add(-time.Duration(minutes * float64(time.Minute))),
	}
	for _, change := range more {
		change(e)
	}
	return e
}

func code(n int) func(*events.Event) {
	return func(e *events.Event) { e.ContainerExitCode = &n }
}

// night is what containers did in the hour before the end.
func night() []*events.Event {
	list := []*events.Event{
		happened(58, "cache", events.Start), happened(30, "cache", events.Pause), happened(20, "cache", events.Unpause),
		happened(50, "job", events.Start), happened(45, "job", events.Exited, code(0)),
		happened(25, "db", events.Exited, code(137)), happened(24.5, "db", events.Start),
		happened(40, "proxy", events.HealthStatus, func(e *events.Event) { e.HealthStatus = "healthy" }),
		happened(12, "proxy", events.HealthStatus, func(e *events.Event) { e.HealthStatus = "unhealthy" }),
		happened(35, "quay.io/example/missing:latest", events.PullError, func(e *events.Event) { e.Type, e.Error = events.Image, "no such manifest" }),
		happened(33, "api", events.AutoUpdate, func(e *events.Event) { e.Attributes = map[string]string{updateResult: "updated"} }),
		happened(33, "api", events.Exited, code(0)), happened(32.9, "api", events.Start),
		happened(28, "worker", events.AutoUpdate, func(e *events.Event) { e.Attributes = map[string]string{updateResult: "rolled-back"} }),
	}
	for i := range 14 { // crashes ever more often, and then for good
		at := 48 - 3.2*float64(i)
		list = append(list, happened(at, "web", events.Start), happened(at-1-float64(14-i)/8, "web", events.Exited, code(1)))
	}
	return append(list, happened(2, "quiet", events.Start),
		happened(3, "a-name-that-is-much-longer-than-its-column", events.Start), happened(3, "容器三號", events.Start),
		happened(3, "שלום", events.Start), happened(3, "two\nlines\x1b[31m", events.Start))
}

func drawn(p Picture, list []*events.Event) string {
	t := New(time.Hour, end)
	for _, e := range list {
		t.Add(e)
	}
	return strings.Join(p.Draw(t), "\n") + "\n"
}

// The pictures of testdata are what a person sees.
func TestPicture(t *testing.T) {
	for _, columns := range []int{80, 200} {
		for _, letters := range []string{"ascii", "utf8"} {
			name := fmt.Sprintf("%s-%d", letters, columns)
			t.Run(name, func(t *testing.T) {
				got := drawn(Picture{Width: columns, UTF8: letters == "utf8"}, night())
				for i, line := range strings.Split(got, "\n") {
					if width(line) > columns {
						t.Errorf("line %d has %d columns", i+1, width(line))
					}
					if letters == "ascii" && strings.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
						t.Errorf("line %d is not ASCII: %s", i+1, line)
					}
				}
				golden := filepath.Join("testdata", name+".txt")
				if os.Getenv("UPDATE_GOLDEN") != "" {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("the picture is\n%swant\n%s", got, want)
				}
			})
		}
	}
}

func TestPicture_nothingHappened(t *testing.T) {
	got := drawn(Picture{Width: 80}, nil)
	want := "Nov 26 03:00 to 04:00: 0 containers, 0 in trouble, 0 failures, 0 restarts\n" +
		"No container started, ended or changed in this time.\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What a lane says, event by event.
func TestLane(t *testing.T) {
	health := func(status string) func(*events.Event) { return func(e *events.Event) { e.HealthStatus = status } }
	for name, test := range map[string]struct {
		events []*events.Event
		want   string
	}{
		"restart_after_death":         {[]*events.Event{happened(9, "c", events.Start), happened(8, "c", events.Exited, code(3)), happened(7, "c", events.Start)}, "running 2/1/1/1 exit 3"},
		"ended":                       {[]*events.Event{happened(9, "c", events.Exited)}, "stopped 0/0/1/0 exit 0"},
		"a_code_that_podman_left_out": {[]*events.Event{happened(9, "c", events.Start), happened(8, "c", events.Exited)}, "stopped 1/0/1/0 exit 0"},
		"unhealthy_counts_changes":    {[]*events.Event{happened(9, "c", events.HealthStatus, health("unhealthy")), happened(8, "c", events.HealthStatus, health("unhealthy"))}, "unhealthy 0/0/0/0 exit none"},
		"too_old":                     {[]*events.Event{happened(99, "c", events.Start), happened(8, "c", events.Pause)}, "paused 0/0/0/0 exit none"},
		"not_in_order":                {[]*events.Event{happened(7, "c", events.Start), happened(9, "c", events.Exited, code(2))}, "stopped 1/0/1/1 exit 2"},
		"exec_is_no_death":            {[]*events.Event{happened(9, "c", events.Start), happened(8, "c", events.ExecDied, code(1))}, "running 1/0/0/0 exit none"},
	} {
		t.Run(name, func(t *testing.T) {
			line := New(time.Hour, end)
			for _, e := range test.events {
				line.Add(e)
			}
			l := line.Lanes()[0]
			exit := "none"
			if l.LastExitCode != nil {
				exit = fmt.Sprint(*l.LastExitCode)
			}
			if got := fmt.Sprintf("%s %d/%d/%d/%d exit %s", l.State, l.Starts, l.Restarts, l.Deaths, l.Failures, exit); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// What leaves the span is no longer counted, and the state before it is kept.
func TestTimeline_advance(t *testing.T) {
	line := New(time.Hour, end)
	for _, e := range []*events.Event{
		happened(59, "c", events.Start), happened(58, "c", events.Exited, code(1)), happened(57, "c", events.Start),
	} {
		line.Add(e)
	}
	line.Advance(end.Add(2*time.Minute + 30*time.Second))
	if l := line.Lanes()[0]; l.Starts != 1 || l.Failures != 0 || l.Deaths != 0 {
		t.Errorf("after two minutes the lane is %+v", l)
	}
	line.Advance(end.Add(5 * time.Hour))
	if lanes := line.Lanes(); len(lanes) != 1 || lanes[0].State != Running || lanes[0].Starts != 0 {
		t.Errorf("after five hours the lanes are %+v", lanes)
	}
}

// Memory is bounded by lanes and cells, not by events; trouble is kept.
func TestTimeline_bounds(t *testing.T) {
	line := New(time.Hour, end)
	line.Add(happened(59, "bad", events.Exited, code(1)))
	for i := range 300_000 {
		line.Add(happened(50-float64(i)/7_500, fmt.Sprint("c", i%3000), events.Start))
	}
	if n := len(line.Lanes()); n > MaxLanes {
		t.Errorf("there are %d lanes", n)
	}
	if line.Lanes()[0].Name != "bad" {
		t.Errorf("the first lane is %s", line.Lanes()[0].Name)
	}
	for _, l := range line.Lanes() {
		if len(l.cells) > Cells+1 {
			t.Fatalf("%s has %d cells", l.Name, len(l.cells))
		}
	}
	long := strings.Repeat("n", 4096)
	line.Add(happened(1, long, events.Exited, code(1)))
	for _, text := range (Picture{Width: 80, Height: 24}).Draw(line) {
		if width(text) > 80 {
			t.Errorf("a line has %d columns: %s", width(text), text)
		}
	}
	if n := len((Picture{Width: 80, Height: 24}).Draw(line)); n > 24 {
		t.Errorf("the picture has %d lines", n)
	}
}
