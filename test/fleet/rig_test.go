// Package fleet holds the end-to-end tests of forwarding and collecting: real
// nats-server processes, the built eventsvc, and a model of what must arrive.
package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// binary is eventsvc, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	if order := os.Getenv("EVENTSVC_FLEET_SEND"); order != "" {
		if err := sendEvents(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dir, err := os.MkdirTemp("", "eventsvc-fleet")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "eventsvc")
	build := exec.Command("go", "build", "-tags", buildTags, "-buildvcs=false", "-o", binary, "../../cmd/eventsvc")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build eventsvc: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a command that a test may kill and start again.
type process struct {
	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *testkit.Buffer
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// end sends a signal and waits.
func (p *process) end(signal syscall.Signal) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(signal)
		_ = p.cmd.Wait()
	}
}

func run(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args, out: new(testkit.Buffer)}
	p.start()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			text := p.out.String()
			t.Logf("%s:\n%s", strings.Join(p.args[:min(4, len(p.args))], " "), text[max(0, len(text)-2000):])
		}
	})
	return p
}

// awaitReconnected waits until the process has reported n times that it has reconnected.
func (p *process) awaitReconnected(n int) {
	p.t.Helper()
	p.awaitTimes(n, "connected to NATS again")
}

// awaitSaid waits until the process has logged the text.
func (p *process) awaitSaid(want string) {
	p.t.Helper()
	p.awaitTimes(1, want)
}

func (p *process) awaitTimes(n int, want string) {
	p.t.Helper()
	for range 6000 {
		if strings.Count(p.out.String(), want) >= n {
			return
		}
		time.Sleep(5 * time.Millisecond) // between two looks at its log
	}
	p.t.Fatalf("it does not say %q\n%s", want, p.out)
}

// server is a nats-server of a test.
type server struct {
	*process
	url string
	dir string
}

// startNATS starts a nats-server on a free port of loopback. More are lines of its
// configuration.
func startNATS(t testing.TB, more ...string) *server {
	t.Helper()
	path := testkit.Peers("bin/nats-server")
	if _, err := os.Stat(path); err != nil {
		testkit.Missing(t, "nats-server", "test/peers/nats.sh")
	}
	dir := t.TempDir()
	address := freeAddress(t)
	config := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: %s\njetstream { store_dir: %q, max_mem: 64M, max_file: 2G }\n%s\n", address, filepath.Join(dir, "js"), strings.Join(more, "\n"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{process: run(t, path, "-c", config), url: "nats://" + address, dir: dir}
	s.await(address)
	return s
}

// connect returns a connection for the test, which must close it.
func (s *server) connect(t testing.TB) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// await waits until the process listens on a port.
func (p *process) await(address string) {
	p.t.Helper()
	for range 2000 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(5 * time.Millisecond) // for the port, which nothing announces
	}
	p.t.Fatalf("%s does not answer\n%s", p.args[0], p.out)
}

// again starts it again, after it has ended.
func (s *server) again() {
	s.t.Helper()
	s.start()
	s.await(strings.TrimPrefix(s.url, "nats://"))
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// host is a host of the fleet: its log and its service.
type host struct {
	t       testing.TB
	name    string
	log     string
	socket  string
	serving *process
	written int
}

func newHost(t testing.TB, name string) *host {
	t.Helper()
	dir := testkit.ShortDir(t)
	h := &host{t: t, name: name, log: filepath.Join(dir, "events.log"), socket: filepath.Join(dir, "s")}
	h.write(0)
	h.serving = serve(t, h.socket, h.log)
	return h
}

// serve starts a service of a log.
func serve(t testing.TB, socket, log string, more ...string) *process {
	t.Helper()
	args := append([]string{binary, "serve", "--config", "/dev/null", "--dbus", "none", "--listen", "unix:" + socket, "--log-file", log}, more...)
	p := run(t, args...)
	awaitSocket(t, socket)
	return p
}

func awaitSocket(t testing.TB, socket string) {
	t.Helper()
	for range 2000 {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(5 * time.Millisecond) // for the socket, which nothing announces
	}
	t.Fatal("the service does not answer")
}

// write appends n events to the log, as Podman does, each in one write. They are
// named after their number.
func (h *host) write(n int) {
	h.t.Helper()
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = eventLine(h.written+i, "")
	}
	h.append(lines...)
}

// append appends lines of events.
func (h *host) append(lines ...[]byte) {
	h.t.Helper()
	f, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	for _, line := range lines {
		if _, err := f.Write(line); err != nil {
			h.t.Fatal(err)
		}
		h.written++
	}
}

func eventLine(n int, inspect string) []byte {
	e := events.Event{
		Type: events.Container, Status: events.Start, Time: time.Now(), ID: fmt.Sprintf("%064x", n+1), Image: "quay.io/podman/hello:latest",
		Name:    "n" + strconv.Itoa(n),
		Details: events.Details{Attributes: map[string]string{"app": "shop"}, ContainerInspectData: inspect},
	}
	line, err := e.AppendJSON(nil)
	if err != nil {
		panic(err)
	}
	return append(line, '\n')
}

// forward starts a forwarder of the host.
func (h *host) forward(s *server, more ...string) *process {
	h.t.Helper()
	return run(h.t, append([]string{binary, "forward", "--to", s.url, "--host", h.name, "--address", "unix:" + h.socket, "--create"}, more...)...)
}

// collector is a collector and where its log is.
type collector struct {
	*process
	log string
}

func startCollector(t testing.TB, s *server, more ...string) *collector {
	t.Helper()
	log := filepath.Join(t.TempDir(), "events.log")
	return &collector{run(t, append([]string{binary, "collect", "--from", s.url, "--log", log}, more...)...), log}
}

// userKey is used for a user of this host in place of the name of a host.
func userKey(uid uint32) string { return "user " + strconv.FormatUint(uint64(uid), 10) }

// got is what arrived from a host.
type got struct {
	next     int // number that the next event has to have
	gaps     int // numbers that were left out
	repeated int // numbers that came again, or out of order
	lost     int // reports of a gap
}

// inStream reads the whole stream by its own client.
func inStream(t testing.TB, s *server) map[string]*got {
	t.Helper()
	nc, js := s.connect(t)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), "EVENTS")
	if err != nil {
		return nil
	}
	last := stream.CachedInfo().State
	all := map[string]*got{}
	if last.Msgs == 0 {
		return all
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	// A server can hold only a few consumers, and forgets an idle one after minutes.
	defer func() { _ = stream.DeleteConsumer(t.Context(), consumer.CachedInfo().Name) }()
	defer messages.Stop()
	for {
		m, err := messages.Next()
		if err != nil {
			t.Fatal(err)
		}
		count(t, all, m.Data())
		if md, err := m.Metadata(); err == nil && md.Sequence.Stream >= last.LastSeq {
			return all
		}
	}
}

// inLog reads the complete lines of a collected log; the last one may be incomplete.
func inLog(t testing.TB, path string) map[string]*got {
	t.Helper()
	all := map[string]*got{}
	text, err := os.ReadFile(path)
	if err != nil {
		return all
	}
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(line, []byte{'\n'}) {
			count(t, all, line)
		}
	}
	return all
}

// count compares one event with the model.
func count(t testing.TB, all map[string]*got, line []byte) {
	t.Helper()
	var e struct {
		Host, Name, Status string
		UID                *uint32
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	key := e.Host
	if key == "" && e.UID != nil {
		key = userKey(*e.UID)
	}
	g := all[key]
	if g == nil {
		g = new(got)
		all[key] = g
	}
	switch e.Status {
	case "events-lost":
		g.lost++
		return
	case "log-rotation":
		return
	}
	n, err := strconv.Atoi(strings.TrimPrefix(e.Name, "n"))
	if err != nil {
		t.Fatalf("an event that nothing wrote: %s", line)
	}
	switch {
	case n < g.next:
		g.repeated++
	default:
		g.gaps += n - g.next
		g.next = n + 1
	}
}

// await waits until all events of the hosts have arrived, and checks that each has, once
// and in order.
func await(t testing.TB, where string, read func() map[string]*got, hosts ...*host) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		all := read()
		missing := 0
		for _, h := range hosts {
			g := all[h.name]
			if g == nil {
				g = new(got)
			}
			if g.gaps+g.repeated+g.lost > 0 {
				t.Fatalf("%s, host %s: %+v", where, h.name, *g)
			}
			missing += h.written - g.next
		}
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d events have not come", where, missing)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a file that others write
	}
}

// last returns the last events of a service.
func history(t testing.TB, socket string, filters ...string) []events.Event {
	t.Helper()
	c, err := client.New("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h, err := c.History(t.Context(), client.Query{Filters: filters})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var all []events.Event
	for e, err := range h.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
