package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// While the server is down, hosts continue to write. When it is back, all their events
// arrive, each once and in order: a hundred hosts and five minutes in a long run.
func TestFleet_serverAway(t *testing.T) {
	n, away := 10, 2*time.Second
	if scale() > 1 {
		n, away = 100, 5*time.Minute
	}
	s := startNATS(t)
	var hosts []*host
	for i := range n {
		h := newHost(t, fmt.Sprintf("h%d", i))
		h.write(20)
		h.forward(s)
		hosts = append(hosts, h)
	}
	c := startCollector(t, s)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, hosts...)
	s.end(syscall.SIGKILL)
	for end := time.Now().Add(away); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // that is the load
		for _, h := range hosts {
			h.write(1)
		}
	}
	s.again()
	for _, h := range hosts {
		h.write(20)
	}
	began := time.Now()
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, hosts...)
	took := time.Since(began)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, hosts...)
	total := 0
	for _, h := range hosts {
		total += h.written
	}
	t.Logf("%d events of %d hosts; the server was away for %v, and %v later all were collected", total, n, away, took.Round(time.Millisecond))
}

// If the server allows one open batch for each stream, and another client has it, the
// forwarder sends single events, and nothing is missed or repeated.
func TestForward_oneBatchSlot(t *testing.T) {
	s := startNATS(t)
	s.configure("max_file: 2G", "max_file: 2G, limits { batch { max_inflight_per_stream: 1 } }")
	var hosts []*host
	for i := range 3 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		h.write(10)
		h.forward(s)
		hosts = append(hosts, h)
	}
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, hosts...)
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	open := nats.NewMsg("containers.events.other.container.start")
	open.Header["Nats-Batch-Id"], open.Header["Nats-Batch-Sequence"] = []string{"held"}, []string{"1"}
	if m, err := nc.RequestMsg(open, 5*time.Second); err != nil || len(m.Data) > 0 {
		t.Fatalf("cannot open a batch: %v, %s", err, m.Data)
	}
	for _, h := range hosts {
		h.write(3000)
	}
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, hosts...)
}

// configure changes the configuration of the server, and restarts it.
func (s *server) configure(old, changed string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "nats.conf")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("%v; %q is not in\n%s", err, old, text)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, changed, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.end(syscall.SIGTERM)
	s.again()
}

// If the server accepts longer messages, so does a collector, and the longest message that
// a client may publish does not stop it.
func TestCollect_longMessages(t *testing.T) {
	s := startNATS(t, "max_payload: 8M")
	h := newHost(t, "h0")
	h.forward(s)
	c := startCollector(t, s)
	h.write(10)
	h.append(eventLine(h.written, strings.Repeat("x", 3<<20)))
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	longest := make([]byte, nc.MaxPayload())
	if m, err := nc.Request("containers.events.h9."+strings.Repeat("x", 3000)+".start", longest, 30*time.Second); err != nil || !strings.Contains(string(m.Data), `"seq"`) {
		t.Fatalf("cannot publish: %v, %s", err, m.Data)
	}
	h.write(10)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
}
