package fleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// scale multiplies the sizes of the tests: 1 in CI, more for a long run by hand.
func scale() int {
	n, _ := strconv.Atoi(os.Getenv("EVENTSVC_LONG"))
	return max(1, n)
}

// Events of several hosts reach the service of a collected log with their host,
// each once and in order; filters choose by it.
func TestFleet_eventsOfAllHosts(t *testing.T) {
	s := startNATS(t)
	var hosts []*host
	for i := range 3 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		h.write(1000)
		h.forward(s)
		hosts = append(hosts, h)
	}
	one, two := startCollector(t, s), startCollector(t, s)
	for _, h := range hosts {
		h.write(50)
	}
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, hosts...)
	await(t, "log", func() map[string]*got { return inLog(t, one.log) }, hosts...)
	await(t, "second log", func() map[string]*got { return inLog(t, two.log) }, hosts...)

	socket := filepath.Join(filepath.Dir(hosts[0].socket), "fleet")
	serve(t, socket, one.log, "--collected")
	other := filepath.Join(filepath.Dir(hosts[0].socket), "fleet2")
	serve(t, other, two.log, "--collected")
	all, again := history(t, socket), history(t, other)
	if len(all) != 3*1050 || len(again) != len(all) {
		t.Fatalf("the services of the fleet have %d and %d events", len(all), len(again))
	}
	for i := range all {
		if all[i].Cursor != again[i].Cursor {
			t.Fatalf("event %d has cursor %s at one collector and %s at the other", i, all[i].Cursor, again[i].Cursor)
		}
	}
	mine := history(t, socket, "host=h1")
	if len(mine) != 1050 {
		t.Fatalf("h1 has %d events", len(mine))
	}
	for _, e := range mine {
		if e.Host != "h1" || e.UID == nil || *e.UID != uint32(os.Getuid()) {
			t.Fatalf("an event of h1 is of host %q, uid %v", e.Host, e.UID)
		}
	}
}

// Server, services, forwarders and the collector are killed at random while events
// are written: none is missed, repeated or out of order.
func TestFleet_killed(t *testing.T) {
	s := startNATS(t)
	var hosts []*host
	var forwarders []*process
	for i := range 4 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		hosts = append(hosts, h)
		forwarders = append(forwarders, h.forward(s))
	}
	c := startCollector(t, s)
	kills := map[string]int{}
	random := rand.New(rand.NewPCG(7, 7))
	for range 20 * scale() {
		for _, h := range hosts {
			h.write(50 + random.IntN(100))
		}
		i := random.IntN(len(hosts))
		switch random.IntN(4) {
		case 0:
			kills["server"]++
			s.end(syscall.SIGKILL)
			s.again()
		case 1:
			kills["service"]++
			hosts[i].serving.end(syscall.SIGKILL)
			hosts[i].serving.start()
		case 2:
			kills["forwarder"]++
			forwarders[i].end(syscall.SIGKILL)
			forwarders[i].start()
		default:
			kills["collector"]++
			c.end(syscall.SIGKILL)
			c.start()
		}
		time.Sleep(time.Duration(50+random.IntN(300)) * time.Millisecond) // the work between two kills
	}
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, hosts...)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, hosts...)
	total := 0
	for _, h := range hosts {
		total += h.written
	}
	t.Logf("%d events, kills %v", total, kills)
}

// A forwarder that was stopped while another took over publishes nothing when it
// continues.
func TestForward_stoppedWhileAnotherTookOver(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	first := h.forward(s)
	h.write(100)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	h.write(20000)
	_ = first.cmd.Process.Signal(syscall.SIGSTOP)
	second := h.forward(s)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	if scale() > 1 {
		time.Sleep(150 * time.Second) // longer than JetStream remembers message IDs by default
	}
	_ = first.cmd.Process.Signal(syscall.SIGCONT)
	h.write(1000)
	second.end(syscall.SIGKILL)
	h.write(1000)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
}

// The server's store is restored to an older state, as a power failure can do: the host
// sends again what is missing, and the collector collects nothing twice.
func TestFleet_storePutBack(t *testing.T) {
	s := startNATS(t)
	h, other := newHost(t, "h0"), newHost(t, "h1")
	forwarders := []*process{h.forward(s), other.forward(s)}
	c := startCollector(t, s)
	h.write(2000)
	other.write(2000)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h, other)
	s.end(syscall.SIGTERM)
	copyDir(t, filepath.Join(s.dir, "js"), filepath.Join(s.dir, "older"))
	s.again()
	h.write(2000)
	other.write(1000)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h, other)
	s.end(syscall.SIGKILL)
	if err := os.RemoveAll(filepath.Join(s.dir, "js")); err != nil {
		t.Fatal(err)
	}
	copyDir(t, filepath.Join(s.dir, "older"), filepath.Join(s.dir, "js"))
	s.again()
	for _, f := range forwarders { // one that publishes while the server is away looks at the stream anyway
		f.awaitReconnected(2)
	}
	c.end(syscall.SIGKILL) // what is known of the put-back is in the log alone
	c.start()
	h.write(500)
	other.write(500)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h, other)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h, other)
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// The host's log was rotated past the checkpoint: exactly one event reports it.
func TestForward_logPassedCheckpoint(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	forwarder := h.forward(s)
	h.write(100)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	forwarder.end(syscall.SIGTERM)
	h.serving.end(syscall.SIGTERM)
	if err := os.Remove(h.log); err != nil {
		t.Fatal(err)
	}
	h.written = 150
	h.write(50)
	h.serving.start()
	awaitSocket(t, h.socket)
	forwarder.start()
	for round := range 2 {
		deadline := time.Now().Add(60 * time.Second)
		for {
			g := inStream(t, s)["h0"]
			if g.next == h.written {
				if g.lost != 1 || g.gaps != 50 || g.repeated != 0 {
					t.Fatalf("round %d: %+v", round, *g)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %+v, of %d", round, *g, h.written)
			}
			time.Sleep(20 * time.Millisecond) // between two looks at the stream
		}
		forwarder.end(syscall.SIGKILL)
		forwarder.start()
		h.write(10)
	}
}

// Other services are sources as well: each event once, with the name that its host
// was given, although services and the collector are killed; a loss in a service is
// reported once.
func TestCollect_services(t *testing.T) {
	one, two := newHost(t, "h1"), newHost(t, "h2")
	log := filepath.Join(t.TempDir(), "events.log")
	c := run(t, binary, "collect", "--from", "h1=unix:"+one.socket, "--from", "h2=unix:"+two.socket, "--log", log)
	read := func() map[string]*got { return inLog(t, log) }
	for round := range 4 {
		one.write(300)
		two.write(200)
		if round%2 == 0 {
			c.end(syscall.SIGKILL)
			c.start()
		} else {
			one.serving.end(syscall.SIGKILL)
			one.serving.start()
		}
		one.write(20)
	}
	await(t, "log", read, one, two)
	c.end(syscall.SIGKILL)
	two.serving.end(syscall.SIGTERM)
	if err := os.Remove(two.log); err != nil {
		t.Fatal(err)
	}
	two.written += 50
	two.write(50)
	two.serving.start()
	awaitSocket(t, two.socket)
	c.start()
	deadline := time.Now().Add(60 * time.Second)
	for read()["h2"].next != two.written {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", *read()["h2"])
		}
		time.Sleep(20 * time.Millisecond) // between two looks at the log
	}
	if g := read()["h2"]; g.lost != 1 || g.gaps != 50 || g.repeated != 0 {
		t.Errorf("%+v", *g)
	}
	await(t, "log", read, one)
}
