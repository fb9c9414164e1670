package fleet

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// stream returns the stream of events, once a forwarder has made it.
func stream(t testing.TB, s *server) (jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	nc, js := s.connect(t)
	t.Cleanup(nc.Close)
	for range 2000 {
		if found, err := js.Stream(t.Context(), "EVENTS"); err == nil {
			return js, found
		}
		time.Sleep(5 * time.Millisecond) // for the forwarder, which makes it
	}
	t.Fatal("there is no stream")
	return nil, nil
}

// An event that is longer than the server accepts is sent without its inspect data, and
// marked; a long one that fits is sent unchanged.
func TestForward_longEvents(t *testing.T) {
	s := startNATS(t, "max_payload: 512k")
	h := newHost(t, "h0")
	h.forward(s)
	for _, size := range []int{256 << 10, 600 << 10} {
		h.append(eventLine(h.written, strings.Repeat("x", size)))
	}
	h.write(10)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	_, events := stream(t, s)
	for seq, want := range map[uint64]bool{1: false, 2: true} {
		m, err := events.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(m.Data), "io.podman.events.truncated"); got != want {
			t.Errorf("message %d of %d bytes: truncated %v, want %v", seq, len(m.Data), got, want)
		}
	}
}

// The stream's retention has removed all events of a quiet host: nothing is sent again.
func TestForward_quietHost(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.write(100)
	forwarder := h.forward(s)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	awaitHosts(t, s, "h0")
	forwarder.end(syscall.SIGKILL)
	_, events := stream(t, s)
	if err := events.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwarder.start()
	h.write(10)
	deadline := time.Now().Add(30 * time.Second)
	for {
		g := inStream(t, s)["h0"]
		if g != nil && g.next == h.written {
			if g.gaps != 100 || g.repeated != 0 || g.lost != 0 {
				t.Fatalf("%+v", *g)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", g)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at the stream
	}
}

// The stream no longer holds what a collector that was stopped needs: exactly one event
// reports it.
func TestCollect_streamPassedCollector(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	h.write(100)
	c := startCollector(t, s)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
	c.end(syscall.SIGTERM)
	h.write(100)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	_, events := stream(t, s)
	if err := events.Purge(t.Context(), jetstream.WithPurgeSequence(151)); err != nil {
		t.Fatal(err)
	}
	c.start()
	for round := range 2 {
		h.write(10)
		deadline := time.Now().Add(30 * time.Second)
		for {
			all := inLog(t, c.log)
			if g := all["h0"]; g.next == h.written {
				if g.gaps != 50 || g.repeated != 0 || all[""] == nil || all[""].lost != 1 {
					t.Fatalf("round %d: %+v, reports %+v", round, *g, all[""])
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %+v", round, *all["h0"])
			}
			time.Sleep(20 * time.Millisecond) // between two looks at the log
		}
		c.end(syscall.SIGKILL)
		c.start()
	}
}

// Nothing is lost when the stream is full, or the server is down.
func TestFleet_streamFull(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	forwarder := h.forward(s)
	js, events := stream(t, s)
	config := events.CachedInfo().Config
	config.MaxMsgs, config.Discard = 50, jetstream.DiscardNew
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	h.write(200)
	fault := "maximum messages exceeded" // of the forwarder, as the server words it
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(forwarder.out.String(), fault); {
		if time.Now().After(deadline) {
			t.Fatalf("the forwarder does not say that the stream is full\n%s", forwarder.out)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at its log
	}
	config.MaxMsgs = -1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	s.end(syscall.SIGKILL)
	h.write(200)
	s.again()
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
}

// A reader of a stream leaves no consumer in the server, which can hold only a few, except
// those with which forwarders read their checkpoint.
func TestFleet_consumersAreRemoved(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	h.write(10)
	c := startCollector(t, s)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	awaitHosts(t, s, "h0")
	c.end(syscall.SIGTERM)
	js, events := stream(t, s)
	hosts, err := js.Stream(t.Context(), "HOSTS")
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []jetstream.Stream{events, hosts} {
		for name := range stream.ConsumerNames(t.Context()).Name() {
			if name != "h0-cp" {
				t.Errorf("%s still has the consumer %s", stream.CachedInfo().Config.Name, name)
			}
		}
	}
}

// Two machines with the same name notice it, and at least one of them exits with an error
// that says what to do.
func TestForward_twoMachinesWithOneName(t *testing.T) {
	s := startNATS(t)
	one, two := newHost(t, "h0"), newHost(t, "h0")
	one.write(10)
	two.write(10)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	ended := make(chan string, 2)
	for _, h := range []*host{one, two} {
		go func() {
			c := exec.CommandContext(ctx, binary, "forward", "--to", s.url, "--host", "h0", "--address", "unix:"+h.socket, "--create")
			out, _ := c.CombinedOutput()
			ended <- string(out)
		}()
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case out := <-ended:
			if !strings.Contains(out, "machine ID") {
				t.Errorf("it ended without saying why:\n%s", out)
			}
			cancel()
			<-ended
			return
		case <-ticker.C: // both have something to say
			one.write(1)
			two.write(1)
		}
	}
}

// If a stream accepts only shorter messages than the server, short ones are sent unchanged
// and the others shortened: in single events, in batches, and in between.
func TestForward_streamTakesShortMessages(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	forwarder := h.forward(s)
	js, events := stream(t, s)
	forwarder.end(syscall.SIGTERM)
	config := events.CachedInfo().Config
	config.MaxMsgSize = 4 << 10
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	long := map[int]bool{0: true, 150: true, 151: true, 299: true}
	for i := range 300 {
		if long[i] {
			h.append(eventLine(h.written, strings.Repeat("x", 64<<10)))
			continue
		}
		h.write(1)
	}
	forwarder.start()
	await(t, "stream", func() map[string]*got { return inStream(t, s) }, h)
	for i := range h.written {
		m, err := events.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(m.Data), "io.podman.events.truncated"); got != long[i] {
			t.Errorf("event %d of %d bytes: truncated %v", i, len(m.Data), got)
		}
	}
}
