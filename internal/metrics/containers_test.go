package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/line"
)

// happened returns the record of an event of a container.
func happened(t *testing.T, name string, status events.Status, code int, health string) feed.Record {
	t.Helper()
	e := events.NewEvent(status)
	e.Type, e.Name, e.Image, e.HealthStatus = events.Container, name, "quay.io/example/app", health
	if status == events.Exited {
		e.ContainerExitCode = &code
	}
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := feed.Record{Line: text}
	if !line.Scan(text, &r.Fields) {
		t.Fatalf("not a line: %s", text)
	}
	return r
}

func TestContainers_counted(t *testing.T) {
	m, err := New("1.2.3", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{0, 1, 125, 126, 137, 143} {
		m.Emitted([]feed.Record{happened(t, "web", events.Start, 0, ""), happened(t, "web", events.Exited, code, "")}, false)
	}
	m.Emitted([]feed.Record{
		happened(t, "db", events.HealthStatus, 0, "healthy"), happened(t, "db", events.HealthStatus, 0, "unhealthy"),
		happened(t, "gone", events.HealthStatus, 0, "healthy"), happened(t, "gone", events.Remove, 0, ""),
	}, false)
	want := `
# HELP eventsvc_exits_total Exits of containers, by class of exit code.
# TYPE eventsvc_exits_total counter
eventsvc_exits_total{code="0",image="quay.io/example/app",name="web"} 1
eventsvc_exits_total{code="1-125",image="quay.io/example/app",name="web"} 2
eventsvc_exits_total{code="126-127",image="quay.io/example/app",name="web"} 1
eventsvc_exits_total{code="128+",image="quay.io/example/app",name="web"} 2
# HELP eventsvc_health The last verdict of a container's health check: 1 healthy, 0 unhealthy.
# TYPE eventsvc_health gauge
eventsvc_health{name="db"} 0
# HELP eventsvc_restarts_total Starts of a container after it had exited.
# TYPE eventsvc_restarts_total counter
eventsvc_restarts_total{name="db"} 0
eventsvc_restarts_total{name="gone"} 0
eventsvc_restarts_total{name="web"} 5
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "eventsvc_exits_total", "eventsvc_health", "eventsvc_restarts_total"); err != nil {
		t.Error(err)
	}
}

// However many names and images there are, and however long, the number of series is bounded.
func TestContainers_bounds(t *testing.T) {
	m, err := New("1.2.3", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		m.Emitted([]feed.Record{happened(t, fmt.Sprint("c", i), events.Start, 0, ""), happened(t, fmt.Sprint("c", i), events.Exited, 1, "")}, false)
	}
	m.Emitted([]feed.Record{happened(t, strings.Repeat("é", 2048), events.Exited, 1, "")}, false)
	if n := len(m.containers.names); n > maxNames+1 {
		t.Errorf("there are %d names", n)
	}
	if n := m.containers.exits[exit{other, other}][1]; n != 3000-maxNames+1 {
		t.Errorf("other ended %d times", n)
	}
	m.Emitted([]feed.Record{happened(t, "c2000", events.Start, 0, ""), happened(t, "c2001", events.Start, 0, ""), happened(t, "c2001", events.Start, 0, "")}, false)
	if n := m.containers.names[other].restarts; n != 2 {
		t.Errorf("other restarted %d times", n)
	}
	for i := range 2 * maxDied {
		m.Emitted([]feed.Record{happened(t, fmt.Sprint("d", i), events.Exited, 1, "")}, false)
	}
	if n := len(m.containers.died); n > maxDied+maxNames {
		t.Errorf("%d names are kept of those that ended", n)
	}
	m.Emitted([]feed.Record{happened(t, "c1", events.Start, 0, ""), happened(t, "c1", events.Exited, 1, ""), happened(t, "c1", events.Start, 0, "")}, false)
	if n := m.containers.names["c1"].restarts; n != 2 {
		t.Errorf("c1 restarted %d times", n)
	}
	if text := cut(strings.Repeat("é", 2048)); len(text) > maxNameBytes+8 || !strings.HasSuffix(text, "+3968") {
		t.Errorf("a long name is %d bytes: %s", len(text), text)
	}
}
