package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/line"
)

func record(t events.Type, s events.Status) feed.Record {
	return feed.Record{Fields: line.Fields{
		Type: filter.CodeOfType(t), Status: filter.CodeOfStatus(s), Time: time.Now().UnixNano(),
	}}
}

func TestMetrics_exposition(t *testing.T) {
	m, err := New("1.2.3", Sources{
		Status:      func() feed.Status { return feed.Status{Written: 3, Skipped: 2, Fault: "the disk"} },
		Subscribers: func() map[string]int { return map[string]int{"varlink": 4, "dbus": 1} },
		Denials:     func() map[string]uint64 { return map[string]uint64{"write events": 7} },
		Connections: func() (int, uint64, uint64) { return 5, 100, 6 },
		Calls:       func() (uint64, uint64) { return 8, 9 },
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Emitted([]feed.Record{record(events.Container, events.Create), record(events.Container, events.Create), record(events.Volume, events.AutoUpdate)}, false)
	m.Emitted([]feed.Record{{}}, true)
	m.FellBehind()
	m.Wrote(1, time.Millisecond, nil)
	m.Wrote(1, time.Second, errors.New("no"))
	want := `
# HELP eventsvc_events_total New events read from the store.
# TYPE eventsvc_events_total counter
eventsvc_events_total{status="create",type="container"} 2
eventsvc_events_total{status="auto-update",type="volume"} 1
eventsvc_events_total{status="unknown",type="unknown"} 1
# HELP eventsvc_subscribers Subscriptions that are open.
# TYPE eventsvc_subscribers gauge
eventsvc_subscribers{interface="varlink"} 4
eventsvc_subscribers{interface="legacy"} 0
eventsvc_subscribers{interface="dbus"} 1
eventsvc_subscribers{interface="dbus-stream"} 0
eventsvc_subscribers{interface="dbus-broadcast"} 0
# HELP eventsvc_catch_ups_total Times that a subscriber left the memory log and continued from the store.
# TYPE eventsvc_catch_ups_total counter
eventsvc_catch_ups_total 1
# HELP eventsvc_continuity_losses_total Times that the log was replaced so that events may have been lost, which every follower gets an error for.
# TYPE eventsvc_continuity_losses_total counter
eventsvc_continuity_losses_total 1
# HELP eventsvc_denials_total Calls that were denied.
# TYPE eventsvc_denials_total counter
eventsvc_denials_total{action="write events"} 7
# HELP eventsvc_store_fault 1 while the store cannot be read or written, else 0.
# TYPE eventsvc_store_fault gauge
eventsvc_store_fault 1
# HELP eventsvc_write_failures_total Calls to write events that failed.
# TYPE eventsvc_write_failures_total counter
eventsvc_write_failures_total 1
`
	err = testutil.GatherAndCompare(m.registry, strings.NewReader(want), "eventsvc_events_total", "eventsvc_subscribers", "eventsvc_catch_ups_total",
		"eventsvc_continuity_losses_total", "eventsvc_denials_total", "eventsvc_store_fault", "eventsvc_write_failures_total")
	if err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(m.registry)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err != nil {
		t.Error(err)
	}
}

// Metrics are shown over HTTP and nothing else.
func TestMetrics_http(t *testing.T) {
	m, err := New("1.2.3", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "m"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(t.Context(), l) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
	}}}
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/metrics":     {200, "\neventsvc_build_info{version=\"1.2.3\"} 1\n"},
		"/":            {404, ""},
		"/debug/pprof": {404, ""},
	} {
		reply, err := client.Get("http://eventsvc" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(reply.Body)
		reply.Body.Close()
		if reply.StatusCode != want.code || !strings.Contains(string(body), want.text) {
			t.Errorf("%s: %s\n%.500s", path, reply.Status, body)
		}
	}
	reply, err := client.Post("http://eventsvc/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST gets %s", reply.Status)
	}
}

func BenchmarkEmitted(b *testing.B) {
	m, err := New("", Sources{})
	if err != nil {
		b.Fatal(err)
	}
	records := make([]feed.Record, 1000)
	for i := range records {
		records[i] = record(events.Container, events.Create)
	}
	for b.Loop() {
		m.Emitted(records, false)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/event")
}
