package fleet

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventsvc/eventsvc/internal/fleet"
)

// The configuration of 'eventsvc fleet init' lets each host forward, a collector
// collect, and no host read or write what is another's.
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
	// The filter that the subject names is the one that counts.
	m, err := nc.Request("$JS.API.CONSUMER.CREATE.EVENTS.h7-cp.containers.events.h7.>",
		[]byte(`{"stream_name":"EVENTS","config":{"name":"h7-cp","filter_subject":"containers.events.h8.>","ack_policy":"none"}}`), 5*time.Second)
	if err != nil || !strings.Contains(string(m.Data), `"error"`) {
		t.Errorf("h7 may read h8 by a filter that its subject does not name: %v", err)
	}
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h7, h8)
}

// relative returns the path as an include of the rig's configuration has it.
func relative(t *testing.T, path string) string {
	t.Helper()
	return filepath.Join("..", "..", filepath.Base(filepath.Dir(filepath.Dir(path))), filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// forwardAs starts a forwarder that makes no stream.
func (h *host) forwardAs(s *server) *process {
	h.t.Helper()
	return run(h.t, binary, "forward", "--to", s.url, "--host", h.name, "--address", "unix:"+h.socket)
}

// awaitHosts waits until the hosts are said to be there, with all that they have
// forwarded.
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
