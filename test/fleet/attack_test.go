package fleet

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/fleet"
)

// add appends one event that a test has made.
func (h *host) add(change func(e *events.Event)) {
	h.t.Helper()
	var e events.Event
	if err := json.Unmarshal(eventLine(h.written, ""), &e); err != nil {
		h.t.Fatal(err)
	}
	change(&e)
	line, err := e.AppendJSON(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.append(append(line, '\n'))
}

// Whatever a user writes into a member of an event, the event arrives, and so do those
// after it: words that a subject cannot have, or that are longer than a line of the
// protocol may be, and members that are longer than a message may be, which are
// shortened. The server may be replaced by one that accepts less.
func TestForward_hostileWords(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	long := strings.Repeat("x", 1<<20+1<<18)
	h.add(func(e *events.Event) { e.Status = "a.b * > \u00e9\n\x7f" })
	h.add(func(e *events.Event) { e.Status = events.Status(strings.Repeat("s", 8000)) })
	h.add(func(e *events.Event) { e.Type = events.Type(strings.Repeat("t.", 8000)) })
	h.add(func(e *events.Event) { e.Image = long })
	h.add(func(e *events.Event) { e.Network, e.Error, e.HealthStatus = long, long, "\u00e9"+long })
	h.add(func(e *events.Event) { e.ID, e.PodID = long, "p" })
	h.add(func(e *events.Event) { e.Attributes = map[string]string{"l": long} })
	h.add(func(e *events.Event) { e.ContainerInspectData = long[:1<<20] })
	h.write(10)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	c := startCollector(t, s)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)

	s.end(syscall.SIGTERM)
	config := filepath.Join(s.dir, "nats.conf")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(text, "max_payload: 64k\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.again()
	h.add(func(e *events.Event) { e.ContainerInspectData = long[:1<<17] })
	h.write(10)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
}

// If another program's stream has the name, forwarder and collector report it, publish
// and collect nothing, and continue when that stream is deleted.
func TestFleet_foreignStream(t *testing.T) {
	s := startNATS(t)
	nc, js := s.connect(t)
	defer nc.Close()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := js.Publish(t.Context(), "orders.new", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	h := newHost(t, "h0")
	h.write(10)
	forwarder, c := h.forward(s), startCollector(t, s)
	forwarder.awaitSaid("another program's stream has the name")
	other := newHost(t, "h1")
	other.write(1)
	other.forwardAs(s).awaitSaid("if another program's stream is named EVENTS")
	c.awaitSaid("another program's stream has the name")
	if found, err := js.Stream(t.Context(), "EVENTS"); err != nil || found.CachedInfo().State.Msgs != 100 {
		t.Errorf("the other program's stream: %v", err)
	}
	if err := js.DeleteStream(t.Context(), "EVENTS"); err != nil {
		t.Fatal(err)
	}
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
}

// The stream is deleted and created again while events in it were not collected: exactly
// one event reports that some may be lost, and nothing is collected twice.
func TestCollect_streamMadeAgain(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	h.write(100)
	c := startCollector(t, s)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
	awaitHosts(t, s, "h0")
	c.end(syscall.SIGTERM)
	h.write(50)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	js, _ := stream(t, s)
	if err := js.DeleteStream(t.Context(), "EVENTS"); err != nil {
		t.Fatal(err)
	}
	h.write(20)
	c.start()
	for round := range 3 {
		deadline := time.Now().Add(60 * time.Second)
		for {
			all := inLog(t, c.log)
			if g := all["h0"]; g != nil && g.next == h.written {
				if g.repeated != 0 || all[""] == nil || all[""].lost != 1 {
					t.Fatalf("round %d: %+v, reports %+v", round, *g, all[""])
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %+v, of %d", round, all["h0"], h.written)
			}
			time.Sleep(20 * time.Millisecond) // between two looks at the log
		}
		c.end(syscall.SIGKILL)
		c.start()
		h.write(10)
	}
}

// A host whose clock is wrong is still listed as present: the server's clock counts.
func TestHosts_clockSkew(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	h.write(1)
	awaitHosts(t, s, "h0")
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for name, skew := range map[string]time.Duration{"slow": -3 * time.Hour, "fast": 3 * time.Hour} {
		said, err := json.Marshal(fleet.Presence{Host: name, Cursor: "c", CaughtUp: true, Time: time.Now().Add(skew)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Request("containers.hosts."+name, said, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	awaitHosts(t, s, "h0", "slow", "fast")
}

// Names that a subject cannot have are refused before anything is sent.
func TestForward_hostNames(t *testing.T) {
	for _, name := range []string{"a.b", "a b", "*", ">", "h\u00e9", "h\n", strings.Repeat("h", 65)} {
		for _, args := range [][]string{{"forward", "--to", "nats://127.0.0.1:1", "--host", name}, {"fleet", "init", name}} {
			out, err := exec.Command(binary, args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "as the name of the host") {
				t.Errorf("%q: %v\n%s", args, err, out)
			}
		}
	}
}

// A host that is renamed continues under the new name, with everything in its log.
func TestForward_renamedHost(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.write(100)
	f := h.forward(s)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	f.end(syscall.SIGTERM)
	h.write(20)
	h.name = "shop-1"
	h.forward(s)
	h.write(20)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	if old := inStream(t, s)["h0"]; old.next != 100 {
		t.Errorf("under the old name: %+v", *old)
	}
}

// The disk of the collector is full for a time: each event once, from a stream and from
// users.
func TestCollect_diskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("this needs root")
	}
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	grow := func() {
		if err := unix.Mount("tmpfs", small, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("stream", func(t *testing.T) {
		s := startNATS(t)
		h := newHost(t, "h0")
		h.forward(s)
		h.write(2000)
		log := filepath.Join(small, "stream.log")
		p := run(t, binary, "collect", "--from", s.url, "--log", log)
		p.awaitSaid("no space left on device")
		grow()
		await(t, "log", func() map[string]*got { return inLog(t, log) }, h)
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("users", func(t *testing.T) {
		if err := unix.Mount("tmpfs", small, "tmpfs", unix.MS_REMOUNT, "size=256k"); err != nil {
			t.Skip(err) // more is in use
		}
		u := newUsers(t)
		u.log = filepath.Join(small, "users.log")
		one, two := u.login(0), u.login(1)
		c := u.collect()
		one.write(1000)
		two.write(1000)
		c.awaitSaid("no space left on device")
		u.in("mount", "-o", "remount,size=64m", small)
		u.await(one, two)
		c.end(syscall.SIGKILL)
		c.start()
		one.write(1)
		u.await(one, two)
	})
}
