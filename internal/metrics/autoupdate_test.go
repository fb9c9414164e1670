package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/line"
)

// What auto-update did is counted by its events; words that it does not have, and
// podman auto-update's own event, count as nothing of it.
func TestAutoUpdates_counted(t *testing.T) {
	m, err := New("1.2.3", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	happen := func(typ events.Type, attributes map[string]string) {
		e := events.NewEvent(events.AutoUpdate)
		e.Type, e.Name, e.Attributes = typ, "x", attributes
		text, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := feed.Record{Line: text}
		if !line.Scan(text, &r.Fields) {
			t.Fatalf("not a line: %s", text)
		}
		m.Emitted([]feed.Record{r}, false)
	}
	for range 2 {
		happen(events.System, map[string]string{attribute + "phase": "begin"})
		happen(events.Container, map[string]string{attribute + "result": "updated"})
		happen(events.Container, map[string]string{attribute + "result": "splendid"})
		happen(events.System, map[string]string{
			attribute + "phase": "end", attribute + "ms": "1500", attribute + "requests": "3", attribute + "pending": "1",
		})
	}
	happen(events.System, nil)
	happen(events.Container, nil)
	want := `
# HELP eventsvc_autoupdate_duration_seconds How long the last run took.
# TYPE eventsvc_autoupdate_duration_seconds gauge
eventsvc_autoupdate_duration_seconds 1.5
# HELP eventsvc_autoupdate_pending Containers that the last run left with an update pending, held or deferred.
# TYPE eventsvc_autoupdate_pending gauge
eventsvc_autoupdate_pending 1
# HELP eventsvc_autoupdate_registry_requests_total Requests to registries, without those that pulls make.
# TYPE eventsvc_autoupdate_registry_requests_total counter
eventsvc_autoupdate_registry_requests_total 6
# HELP eventsvc_autoupdate_results_total Containers by the result of their update, without those that were unchanged.
# TYPE eventsvc_autoupdate_results_total counter
eventsvc_autoupdate_results_total{result="deferred"} 0
eventsvc_autoupdate_results_total{result="failed"} 0
eventsvc_autoupdate_results_total{result="held"} 0
eventsvc_autoupdate_results_total{result="other"} 2
eventsvc_autoupdate_results_total{result="pending"} 0
eventsvc_autoupdate_results_total{result="rolled-back"} 0
eventsvc_autoupdate_results_total{result="updated"} 2
# HELP eventsvc_autoupdate_runs_total Completed runs of auto-update, without dry runs.
# TYPE eventsvc_autoupdate_runs_total counter
eventsvc_autoupdate_runs_total 2
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), prefix+"autoupdate_runs_total", prefix+"autoupdate_results_total",
		prefix+"autoupdate_pending", prefix+"autoupdate_duration_seconds", prefix+"autoupdate_registry_requests_total"); err != nil {
		t.Error(err)
	}
}
