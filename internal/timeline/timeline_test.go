package timeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/visible"
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
					if visible.Width(line) > columns {
						t.Errorf("line %d has %d columns", i+1, visible.Width(line))
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
		if visible.Width(text) > 80 {
			t.Errorf("a line has %d columns: %s", visible.Width(text), text)
		}
	}
	if n := len((Picture{Width: 80, Height: 24}).Draw(line)); n > 24 {
		t.Errorf("the picture has %d lines", n)
	}
}

// A container that is renamed goes on under its new name, and one that is removed
// and made again in the same lane.
func TestTimeline_renamed(t *testing.T) {
	line := New(time.Hour, end)
	id := func(e *events.Event) { e.ID = strings.Repeat("7", 64) }
	for _, e := range []*events.Event{
		happened(50, "old", events.Start, id), happened(40, "old", events.Exited, id, code(1)), happened(39, "old", events.Start, id),
		happened(20, "new", events.Rename, id), happened(10, "new", events.Exited, id, code(2)),
		happened(8, "new", events.Remove, id), happened(7, "new", events.Create), happened(6, "new", events.Start),
	} {
		line.Add(e)
	}
	got := map[string]string{}
	for _, l := range line.Lanes() {
		got[l.Name] = fmt.Sprintf("%s %d/%d/%d", l.State, l.Starts, l.Restarts, l.Failures)
	}
	if fmt.Sprint(got) != "map[new:running 1/1/1 old:stopped 2/1/1]" {
		t.Errorf("the lanes are %v", got)
	}
	if picture := drawn(Picture{Width: 80}, nil); strings.Contains(picture, "old") {
		t.Errorf("a timeline shares lanes with another:\n%s", picture)
	}
	for _, l := range (Picture{Width: 80}).Draw(line)[2:4] {
		if bar := l[21:53]; strings.HasPrefix(l, "new") && !strings.HasPrefix(bar, "......") || strings.HasPrefix(l, "old") && !strings.HasSuffix(bar, "......") {
			t.Errorf("the old lane does not end where the new one begins: %s", l)
		}
	}
}

// Users and hosts are named where there are several, also after names that are cut.
func TestPicture_usersAndHosts(t *testing.T) {
	of := func(user uint32, host string) func(*events.Event) {
		return func(e *events.Event) { e.UID, e.Host = &user, host }
	}
	long := strings.Repeat("n", 4096)
	list := []*events.Event{
		happened(5, "web", events.Start, of(0, "")), happened(5, "web", events.Start, of(1000, "")), happened(5, long, events.Start, of(1001, "")),
	}
	picture := drawn(Picture{Width: 80}, list)
	for _, want := range []string{"web uid=0 ", "web uid=1000 ", "nnnnnnnnnn~ uid=1001 "} {
		if !strings.Contains(picture, want) {
			t.Errorf("%q is missing in\n%s", want, picture)
		}
	}
	list[1].Host = "otherhost"
	if picture := drawn(Picture{Width: 200}, list); !strings.Contains(picture, "web uid=1000 host=otherhost ") {
		t.Errorf("the host is missing in\n%s", picture)
	}
	if picture := drawn(Picture{Width: 80}, list[:1]); strings.Contains(picture, "uid=") {
		t.Errorf("the only user is named in\n%s", picture)
	}
	if lanes := len(strings.Split(drawn(Picture{Width: 80}, list), "\n")); lanes != 8 {
		t.Errorf("there are %d lines", lanes)
	}
}

// The axis has round times of the clock on the wall, over midnight and where summer
// time begins and ends, in order.
func TestPicture_daylightSaving(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for name, test := range map[string]struct {
		end  time.Time
		span time.Duration
		want string
	}{
		"spring":         {time.Date(2026, 3, 29, 12, 0, 0, 0, zone), 24 * time.Hour, "  12:00       18:00       00:00     06:00"},
		"autumn":         {time.Date(2026, 10, 25, 12, 0, 0, 0, zone), 24 * time.Hour, "          18:00       00:00         06:00"},
		"midnight":       {time.Date(2026, 6, 2, 0, 20, 0, 0, zone), time.Hour, "23:20   23:30   23:40   23:50   00:00   00:10"},
		"week":           {time.Date(2026, 3, 30, 12, 0, 0, 0, zone), 168 * time.Hour, "          Mar 25        Mar 27        Mar 29"},
		"begins_at_hour": {time.Date(2026, 3, 29, 3, 30, 0, 0, zone), time.Hour, "01:30   01:40   01:50   03:00   03:10   03:20"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Picture{Width: 80}.axis(test.end.Add(-test.span), test.end, 48)
			if strings.TrimRight(got, " ") != test.want {
				t.Errorf("got  %q, want %q", got, test.want)
			}
		})
	}
}

// Times of more than a year have their year.
func TestPicture_years(t *testing.T) {
	now := time.Date(2026, 11, 27, 18, 40, 0, 0, time.UTC)
	shown := New(3*365*24*time.Hour, now)
	shown.Add(&events.Event{Type: events.Container, Status: events.Start, Name: "web", Time: now.Add(-time.Hour)})
	lines := Picture{Width: 100}.Draw(shown)
	if !strings.HasPrefix(lines[0], "Nov 28 2023 18:40 to Nov 27 2026 18:40: ") || strings.Count(lines[1], " 202") < 2 {
		t.Errorf("the picture is\n%s", strings.Join(lines, "\n"))
	}
}

// Whatever the size of the terminal, no line is wider and the picture is not higher.
func TestPicture_sizes(t *testing.T) {
	for columns := minWidth; columns < 220; columns += 13 {
		for _, rows := range []int{0, 4, 8, 10, 12, 16, 24, 60} {
			for _, utf8 := range []bool{false, true} {
				p := Picture{Width: columns, Height: rows, UTF8: utf8, Note: strings.Repeat("cannot connect; ", 20)}
				lines := strings.Split(strings.TrimSuffix(drawn(p, append(night(), happened(4, "🚀⚡ rocket", events.Start))), "\n"), "\n")
				if rows >= 10 && len(lines) > rows {
					t.Errorf("%d columns and %d rows: there are %d lines\n%s", columns, rows, len(lines), strings.Join(lines, "\n"))
				}
				for _, line := range lines {
					if visible.Width(line) > columns {
						t.Errorf("%d columns: a line has %d: %s", columns, visible.Width(line), line)
					}
				}
			}
		}
	}
}

// The columns that terminals use for letters.
func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"web": 3, "é": 1, "e\u0301": 1, "容器": 4, "ｗ": 2, "🚀": 2, "⚡": 2, "✓": 1, "한": 2, "\u1112\u1161\u11ab": 2, "שלום": 4, "━": 1, "": 0,
	} {
		if got := visible.Width(text); got != want {
			t.Errorf("%q: %d columns, want %d", text, got, want)
		}
	}
}

// Lanes that were left out count only while their time is shown.
func TestTimeline_droppedLeave(t *testing.T) {
	line := New(time.Hour, end)
	for i := range MaxLanes + 1 {
		line.Add(happened(30, fmt.Sprint("c", i), events.Exited))
	}
	if n := line.Dropped(); n != MaxLanes/2+1 {
		t.Errorf("%d are left out", n)
	}
	// Those that come back are not counted twice.
	for i := range 10 * MaxLanes {
		line.Add(happened(20, fmt.Sprint("c", i%(2*MaxLanes)), events.Exited))
	}
	if n := line.Dropped() + len(line.lanes); n != 2*MaxLanes {
		t.Errorf("of %d containers there are %d", 2*MaxLanes, n)
	}
	line.Advance(end.Add(2 * time.Hour))
	if n := line.Dropped(); n != 0 || len(line.lanes) != 0 {
		t.Errorf("two hours later %d are left out, %d kept", n, len(line.lanes))
	}
}
