package fleet

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventsvc/eventsvc/internal/fleet"
)

// The configuration of 'eventsvc fleet init' allows each host to forward and a collector
// to collect, and no host to read or write what belongs to another.
func TestFleetInit_rights(t *testing.T) {
	out, err := exec.Command(binary, "fleet", "init", "h7", "h8").Output()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "fleet.conf")
	accounts := string(out)[strings.Index(string(out), "accounts"):] // where the store is, the rig says
	if err := os.WriteFile(config, []byte(accounts), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startNATS(t, `include "`+relative(t, config)+`"`)
	as := func(user string) *server {
		found := regexp.MustCompile(`user: "?` + user + `"?, password: "(\w+)"`).FindStringSubmatch(accounts)
		return &server{process: s.process, dir: s.dir, url: strings.Replace(s.url, "//", "//"+user+":"+found[1]+"@", 1)}
	}
	h7, h8 := newHost(t, "h7"), newHost(t, "h8")
	h7.write(100)
	h8.write(100)
	run(t, binary, "forward", "--to", as("admin").url, "--host", "admin", "--address", "unix:"+h7.socket, "--create", "--filter", "name=nothing")
	h7.forwardAs(as("h7"))
	h8.forwardAs(as("h8"))
	c := startCollector(t, as("collect"))
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h7, h8)

	awaitHosts(t, as("collect"), "h7", "h8")

	nc, err := nats.Connect(as("h7").url, nats.CustomInboxPrefix("_INBOX_h7"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	refused := func(subject, data string) {
		t.Helper()
		m, err := nc.Request(subject, []byte(data), 300*time.Millisecond)
		if err == nil {
			t.Errorf("h7 may ask %s: %s", subject, m.Data)
		}
	}
	refused("containers.events.h8.container.died", "{}")
	refused("containers.hosts.h8", "{}")
	refused("$JS.API.STREAM.MSG.GET.EVENTS", `{"last_by_subj":"containers.events.h8.>"}`)
	refused("$JS.API.DIRECT.GET.EVENTS.containers.events.h8.container.start", "")
	refused("$JS.API.CONSUMER.CREATE.EVENTS.h8-cp.containers.events.h8.>", `{"stream_name":"EVENTS","config":{"name":"h8-cp"}}`)
	refused("$JS.API.CONSUMER.CREATE.EVENTS.h7-cp.containers.events.h8.>", `{"stream_name":"EVENTS","config":{"name":"h7-cp"}}`)
	refused("$JS.API.STREAM.DELETE.EVENTS", "")
	// The filter in the subject is the one that counts.
	m, err := nc.Request("$JS.API.CONSUMER.CREATE.EVENTS.h7-cp.containers.events.h7.>",
		[]byte(`{"stream_name":"EVENTS","config":{"name":"h7-cp","filter_subject":"containers.events.h8.>","ack_policy":"none"}}`), 5*time.Second)
	if err != nil || !strings.Contains(string(m.Data), `"error"`) {
		t.Errorf("h7 may read h8 by a filter that its subject does not name: %v", err)
	}
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h7, h8)
}

// relative returns the path as it is in an include of the rig's configuration.
func relative(t *testing.T, path string) string {
	t.Helper()
	return filepath.Join("..", "..", filepath.Base(filepath.Dir(filepath.Dir(path))), filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// forwardAs starts a forwarder that does not create streams.
func (h *host) forwardAs(s *server) *process {
	h.t.Helper()
	return run(h.t, binary, "forward", "--to", s.url, "--host", h.name, "--address", "unix:"+h.socket)
}

// awaitHosts waits until the hosts are listed, with everything that they have forwarded.
func awaitHosts(t *testing.T, s *server, names ...string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := exec.Command(binary, "hosts", "--from", s.url, "--format", "json").Output()
		there := 0
		for line := range strings.Lines(string(out)) {
			var p struct {
				fleet.Presence
				State string
			}
			if json.Unmarshal([]byte(line), &p) == nil && p.State == "ok" && p.Cursor != "" {
				there++
			}
		}
		if err == nil && there == len(names) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("hosts: %v\n%s", err, out)
		}
		time.Sleep(100 * time.Millisecond) // between two looks
	}
}

// A host and a collector that lose their rights while they run report which are missing.
// When they get them back they continue: each event once, and the host's fault is over
// even if nothing more happens.
func TestFleet_rightsWithdrawn(t *testing.T) {
	const publish, subscribe = `"containers.>", "$JS.API.>"`, `"_INBOX_h0.>", "_INBOX_collect.>"`
	rights := filepath.Join(t.TempDir(), "rights.conf")
	grant := func(publish, subscribe string) {
		t.Helper()
		text := `authorization { users = [ {user: admin, password: a}, {user: h0, password: h, permissions: { publish: [` +
			publish + `], subscribe: [` + subscribe + `] } } ] }`
		if err := os.WriteFile(rights, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	grant(publish, subscribe)
	s := startNATS(t, `include "`+relative(t, rights)+`"`)
	as := func(user string) *server {
		return &server{process: s.process, dir: s.dir, url: strings.Replace(s.url, "//", "//"+user+"@", 1)}
	}
	admin := as("admin:a")
	h := newHost(t, "h0")
	creating := run(t, binary, "forward", "--to", admin.url, "--host", "admin", "--address", "unix:"+h.socket, "--create", "--filter", "name=nothing")
	stream(t, admin)
	creating.end(syscall.SIGTERM)
	metrics := filepath.Join(filepath.Dir(h.socket), "m")
	c := startCollector(t, as("h0:h"))
	forwarder := run(t, binary, "forward", "--to", as("h0:h").url, "--host", "h0", "--address", "unix:"+h.socket, "--metrics", "unix:"+metrics)
	h.write(10)
	is := func(want float64) func(float64) bool { return func(n float64) bool { return n == want } }
	awaitNumber(t, metrics, "forward_events_total", is(10))
	reload := func(publish, subscribe string) {
		t.Helper()
		reloads := strings.Count(s.out.String(), "Reloaded")
		grant(publish, subscribe)
		_ = s.cmd.Process.Signal(syscall.SIGHUP)
		s.awaitTimes(reloads+1, "Reloaded")
	}
	for i, less := range [][2]string{{`"nothing"`, subscribe}, {publish, `"nothing"`}} {
		reload(less[0], less[1])
		h.write(1)
		awaitNumber(t, metrics, "forward_lag_seconds", func(n float64) bool { return n > 0 })
		awaitNumber(t, metrics, "forward_fault", is(1))
		if i == 0 {
			forwarder.awaitSaid("prints the rights that a user needs")
		} else {
			forwarder.awaitReconnected(1) // the right is missing still
			c.awaitReconnected(1)
		}
		reload(publish, subscribe)
		await(t, "stream", func() map[string]*got { return inStream(t, admin) }, h)
		await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
		awaitNumber(t, metrics, "forward_fault", is(0))
		awaitNumber(t, metrics, "forward_lag_seconds", is(0))
	}
}
