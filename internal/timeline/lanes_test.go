package timeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// summarize has lanes.js of the Cockpit page take in events and report its lanes, at
// each of some times.
const summarize = `
import { readFileSync } from "node:fs";
import { Lanes } from "./lanes.mjs";
const { span, steps } = JSON.parse(readFileSync(0, "utf8"));
const lanes = new Lanes(span);
for (const { events, end } of steps) {
    events.forEach(e => lanes.add(e));
    const list = lanes.sorted(end).map(l => [l.name, l.image, l.host || "", l.uid ?? -1, l.state, l.before, l.starts, l.restarts, l.deaths, l.failures,
        l.pullErrors, l.updates, l.failedUpdates, l.unhealthy, l.exit ?? "none", l.last, l.cells.map(c => c.after).join(",")].join(" "));
    console.log(JSON.stringify({ lanes: list, dropped: lanes.dropped }));
}`

// sent is an event as the Varlink interface sends it.
type sent struct {
	Type         string            `json:"type"`
	Status       string            `json:"status"`
	Name         string            `json:"name,omitempty"`
	ID           string            `json:"id,omitempty"`
	Image        string            `json:"image,omitempty"`
	Host         string            `json:"host,omitempty"`
	UID          *uint32           `json:"uid,omitempty"`
	ExitCode     *int              `json:"exitCode,omitempty"`
	HealthStatus string            `json:"healthStatus,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	Timestamp    int64             `json:"timestampUSec"`
}

// host is where random events come from; ids has those of its containers, by user
// and name.
type host struct {
	random *rand.Rand
	names  int
	ids    map[string]string
}

// event returns one of the kinds that a timeline knows, or of those it ignores.
func (h *host) event(at time.Time) *events.Event {
	random := h.random
	all := append(Filters(), "event=exec", "event=kill", "event=sync", "event=pull")
	e := &events.Event{
		Type: events.Container, Status: events.Status(strings.TrimPrefix(all[random.IntN(len(all))], "event=")),
		Name: fmt.Sprint("c", random.IntN(h.names)), Time: at.Truncate(time.Microsecond),
	}
	if random.IntN(4) > 0 {
		e.Image = "localhost/" + e.Name
	}
	if e.Status == events.PullError {
		e.Type = events.Image
	}
	if user := uint32(random.IntN(2)); random.IntN(3) > 0 {
		e.UID = &user
	}
	if random.IntN(3) == 0 {
		e.Host = fmt.Sprint("host", random.IntN(2))
	}
	of := func(name string) string { return fmt.Sprint(e.Host, " ", (&Lane{UID: e.UID}).owner(), " ", name) }
	fresh := fmt.Sprintf("%064x", random.Uint64())
	switch other := fmt.Sprint("c", random.IntN(h.names)); {
	case e.Status == events.Rename && other != e.Name && h.ids[of(other)] != "":
		h.ids[of(e.Name)], h.ids[of(other)] = h.ids[of(other)], fresh
	case h.ids[of(e.Name)] == "" || e.Status == events.Create:
		h.ids[of(e.Name)] = fresh
	}
	if e.ID = h.ids[of(e.Name)]; e.Type == events.Image {
		e.ID = fresh
	} else if random.IntN(20) == 0 {
		e.Name, e.ID = "", fmt.Sprintf("%064d", random.IntN(h.names))
	}
	if code := []int{0, 1, 137}[random.IntN(3)]; e.Status == events.Exited && random.IntN(4) > 0 {
		e.ContainerExitCode = &code
	}
	e.HealthStatus = []string{"", "healthy", "Unhealthy", "unhealthy", "starting", "stopped"}[random.IntN(6)]
	e.Attributes = map[string]string{updateResult: []string{"updated", "failed", "rolled-back", "pending", ""}[random.IntN(5)]}
	return e
}

// The Cockpit page says the same of the same events as this package: counts, states,
// order, what is forgotten, and what is left out.
func TestTimeline_sameAsCockpitPage(t *testing.T) {
	testkit.Need(t, "node")
	dir := t.TempDir()
	page, err := os.ReadFile("../../cockpit/lanes.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"lanes.mjs": page, "summarize.mjs": []byte(summarize)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, names := range []int{3, 40, 2000} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			random := rand.New(rand.NewPCG(16, uint64(names)))
			from := host{random, names, map[string]string{}}
			const span = time.Hour
			line, at := New(span, end), end.Add(-time.Minute)
			type step struct {
				Events []sent `json:"events"`
				End    int64  `json:"end"`
			}
			var steps []step
			var want []string
			for range 10 {
				var s step
				for range 300 {
					at = at.Add(time.Duration(random.Int64N(int64(time.Second))))
					e := from.event(at.Add(-time.Duration(random.IntN(3)) * time.Second))
					line.Add(e)
					s.Events = append(s.Events, sent{
						e.Type.String(), strings.ReplaceAll(e.Status.String(), "-", "_"), e.Name, e.ID, e.Image, e.Host, e.UID,
						e.ContainerExitCode, e.HealthStatus, e.Attributes, e.Time.UnixMicro(),
					})
				}
				if random.IntN(4) == 0 {
					at = at.Add(span)
				}
				line.Advance(at.Truncate(time.Millisecond))
				s.End = at.UnixMilli()
				steps = append(steps, s)
				lanes := make([]string, 0, len(line.lanes))
				for _, l := range line.Lanes() {
					exit := "none"
					if l.LastExitCode != nil {
						exit = fmt.Sprint(*l.LastExitCode)
					}
					var states []string
					for _, c := range l.cells {
						states = append(states, c.after.String())
					}
					lanes = append(lanes, fmt.Sprintln(l.Name, l.Image, l.Host, l.owner(), l.State, l.before, l.Starts, l.Restarts, l.Deaths, l.Failures,
						l.PullErrors, l.Updates, l.FailedUpdates, l.Unhealthy, exit, strconv.FormatFloat(float64(l.LastEvent.UnixMicro())/1000, 'f', -1, 64), strings.Join(states, ",")))
				}
				for i, l := range lanes {
					lanes[i] = strings.TrimSuffix(l, "\n")
				}
				text, _ := json.Marshal(map[string]any{"lanes": lanes, "dropped": line.Dropped()})
				want = append(want, string(text))
			}
			input, err := json.Marshal(map[string]any{"span": span.Milliseconds(), "steps": steps})
			if err != nil {
				t.Fatal(err)
			}
			node := exec.Command("node", "summarize.mjs")
			node.Dir, node.Stdin = dir, bytes.NewReader(input)
			var stderr bytes.Buffer
			node.Stderr = &stderr
			out, err := node.Output()
			if err != nil {
				t.Fatalf("node: %v\n%s", err, &stderr)
			}
			for i, got := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				compare(t, i, got, want[i])
			}
		})
	}
}

// compare fails at the first lane that differs.
func compare(t *testing.T, step int, got, want string) {
	t.Helper()
	var a, b struct {
		Lanes   []string
		Dropped int
	}
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	for i := range min(len(a.Lanes), len(b.Lanes)) {
		if a.Lanes[i] != b.Lanes[i] {
			t.Fatalf("step %d, lane %d is\n%s\nin the page, and here\n%s", step, i, a.Lanes[i], b.Lanes[i])
		}
	}
	if len(a.Lanes) != len(b.Lanes) || a.Dropped != b.Dropped || len(b.Lanes) == 0 {
		t.Fatalf("step %d: %d lanes and %d dropped in the page, %d and %d here", step, len(a.Lanes), a.Dropped, len(b.Lanes), b.Dropped)
	}
}
