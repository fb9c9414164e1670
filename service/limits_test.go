package service

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/limits"
)

func connections(n, perUID int) func(*rig, *Options) {
	return func(_ *rig, o *Options) { o.Connections, o.ConnectionsPerUID = n, perUID }
}

// wantRefusal makes sure that the client is sent the reason it is not served.
func (c *client) wantRefusal(reason string) {
	c.t.Helper()
	c.call("GetStatus", `{}`)
	got := c.receive()
	if text, _ := got.Parameters["reason"].(string); got.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(text, reason) {
		c.t.Errorf("reply is %s, want %q", got, reason)
	}
	c.wantClosed()
}

func TestLimits_connectionsOfAUser(t *testing.T) {
	r := newRig(t, as(stranger), connections(100, 3))
	var served []*client
	for range 3 {
		c := r.dial()
		c.alive()
		served = append(served, c)
	}
	for range 5 {
		r.dial().wantRefusal("your user has too many connections")
	}
	if n := strings.Count(r.logged.String(), "refusing connections"); n != 1 {
		t.Errorf("the log says it %d times, want once", n)
	}
	for _, c := range served {
		c.alive()
	}
	served[0].conn.Close()
	eventually(t, "there is room", func() bool {
		return r.open() == 2
	})
	r.dial().alive()
}

func TestLimits_connectionsForRoot(t *testing.T) {
	const most = 10 // half of which are kept
	r := newRig(t, as(stranger), connections(most, 100))
	for range most / 2 {
		r.dial().alive()
	}
	r.dial().wantRefusal("too many connections to the service")
	r.peer.Store(&access.Peer{UID: 0})
	for range most / 2 {
		r.dial().alive()
	}
	r.dial().wantRefusal("too many connections to the service")
}

func TestLimits_silentRefusedClient(t *testing.T) {
	r := newRig(t, as(stranger), connections(100, 1))
	r.dial().alive()
	c := r.dial()
	c.send(`{"method":"io.podman.events.GetStatus","oneway":true}`)
	c.wantClosed()
	c = r.dial()
	c.send(`nonsense`)
	c.wantClosed()
	begin := time.Now()
	r.dial().wantClosed()
	if took := time.Since(begin); took < limits.RefusalTimeout/2 || took > 2*limits.RefusalTimeout {
		t.Errorf("the silent one is closed after %v, want %v", took, limits.RefusalTimeout)
	}
}

func TestLimits_clientThatDoesNotRead(t *testing.T) {
	const timeout = 300 * time.Millisecond
	r := newRig(t, func(_ *rig, o *Options) { o.WriteTimeout = timeout })
	big := event(0)
	big.HealthLog = strings.Repeat("x", 64<<10)
	stalled, reader := r.dial(), r.dial()
	for _, c := range []*client{stalled, reader} {
		c.callMore("Subscribe", `{}`)
		c.wantMark(true, true, true)
	}
	for range 20 { // more than the kernel's buffers hold
		r.write(big)
		reader.wantEvents("c0")
	}
	eventually(t, "the one that does not read is dropped", func() bool { return r.feed.Subscribers() == 1 })
	r.write(event(1))
	reader.wantEvents("c1")
	got, err := io.ReadAll(stalled.in)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the one that does not read finds %v", err)
	}
	if n := bytes.Count(got, []byte{0}); n == 0 || n >= 20 {
		t.Errorf("it got %d frames", n)
	}
}

func TestLimits_slowClient(t *testing.T) {
	const timeout = time.Second // several times what a loaded machine holds a reader up
	r := newRig(t, func(_ *rig, o *Options) { o.WriteTimeout = timeout })
	big := event(0)
	big.HealthLog = strings.Repeat("x", 200<<10)
	r.write(big, big, big, big)
	c := r.dial()
	// With a small buffer the kernel tells the writer soon that there is room.
	c.callMore("Subscribe", `{"fromStart":true}`)
	var got bytes.Buffer
	chunk := make([]byte, 64<<10)
	for begin := time.Now(); bytes.Count(got.Bytes(), []byte{0}) < 6; {
		n, err := c.conn.Read(chunk)
		if err != nil {
			t.Fatalf("after %v and %d bytes: %v", time.Since(begin), got.Len(), err)
		}
		got.Write(chunk[:n])
		time.Sleep(timeout / 8)
	}
}

func TestLimits_unfinishedRequest(t *testing.T) {
	const timeout = 100 * time.Millisecond
	r := newRig(t, func(_ *rig, o *Options) { o.RequestTimeout = timeout })
	idle, unfinished, stream := r.dial(), r.dial(), r.dial()
	stream.callMore("Subscribe", `{}`)
	stream.wantMark(true, true, true)
	if _, err := io.WriteString(unfinished.conn, getInfo); err != nil {
		t.Fatal(err)
	}
	unfinished.wantClosed()
	idle.alive()
	r.write(event(0))
	stream.wantEvents("c0")
	// A request that arrived in pieces, but in time, leaves no timeout running.
	for range 2 {
		for _, piece := range []string{getInfo[:10], getInfo[10:] + "\x00"} {
			if _, err := io.WriteString(idle.conn, piece); err != nil {
				t.Fatal(err)
			}
			time.Sleep(timeout / 10)
		}
		idle.receive()
		time.Sleep(timeout * 3 / 2)
	}
	idle.alive()
}

func TestLimits_turnsToReadThePast(t *testing.T) {
	r := newRig(t, as(stranger), func(r *rig, _ *Options) {
		r.access.Readers.UIDs = []uint32{stranger.UID}
		big := event(0)
		big.HealthLog = strings.Repeat("x", 512<<10)
		line, err := big.AppendJSON(nil)
		if err == nil { // before the feed starts, which has what comes later in memory
			err = os.WriteFile(r.log, slices.Concat(line, []byte{'\n'}, line, []byte{'\n'}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	var stalled []*client
	for range limits.PastReadersPerUID {
		c := r.dial()
		c.callMore("Subscribe", `{"fromStart":true,"allUsers":true}`)
		c.wantMark(true, false, true)
		stalled = append(stalled, c)
	}
	waiting, gone, live := r.dial(), r.dial(), r.dial()
	for _, c := range []*client{waiting, gone} {
		c.callMore("GetEvents", `{"limit":1,"allUsers":true}`)
	}
	live.callMore("Subscribe", `{"allUsers":true}`)
	live.wantMark(true, true, true)
	gone.conn.Close()
	_ = waiting.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := waiting.in.Peek(1); err == nil {
		t.Error("it did not wait")
	}
	_ = waiting.conn.SetReadDeadline(time.Now().Add(patience))
	// One that reads makes room, at the latest when the past has been sent.
	stalled[0].wantEvents("c0", "c0")
	stalled[0].wantMark(false, true, true)
	if got := waiting.receive(); len(got.names()) != 1 {
		t.Errorf("reply is %.200s", got)
	}
	r.write(event(1))
	live.wantEvents("c1")
	stalled[0].wantEvents("c1")
}

func TestLimits_noDescriptors(t *testing.T) {
	r := newRig(t)
	r.dial().alive()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	// The client's socket gets the last descriptor, the server's none.
	highest := 0
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[int]bool)
	for _, e := range entries {
		var fd int
		_, _ = fmt.Sscan(e.Name(), &fd)
		used[fd], highest = true, max(highest, fd)
	}
	var fill []int
	for fd := range highest {
		if !used[fd] {
			if n, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
				fill = append(fill, n)
			}
		}
	}
	limit := old
	limit.Cur = uint64(highest + 1)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
		for _, fd := range fill {
			unix.Close(fd)
		}
		fill = nil
	}
	defer restore()
	c := r.dial()
	c.send(getInfo)
	eventually(t, "the log says that nothing can be accepted", func() bool {
		return strings.Contains(r.logged.String(), "cannot accept connections now")
	})
	restore()
	c.receive()
	c.alive()
	eventually(t, "the log says that it goes on", func() bool {
		return strings.Contains(r.logged.String(), "accepting connections again")
	})
}

// baseline is what the process holds.
type baseline struct{ goroutines, descriptors int }

func measure(t *testing.T) baseline {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return baseline{runtime.NumGoroutine(), len(entries)}
}

func (b baseline) wantBack(t *testing.T) {
	t.Helper()
	var now baseline
	eventually(t, "goroutines and descriptors are back at the base line", func() bool {
		now = measure(t)
		return now.goroutines <= b.goroutines && now.descriptors <= b.descriptors
	})
}

func TestLimits_clientsThatComeAndGo(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 10)...)
	r.dial().alive()
	before := measure(t)
	const times = 300
	for n := range times {
		c := r.dial()
		switch n % 6 {
		case 0: // says nothing
		case 1:
			c.alive()
		case 2:
			c.callMore("Subscribe", `{"fromStart":true,"heartbeatSec":3600}`)
			c.wantMark(true, false, true)
		case 3:
			c.callMore("Subscribe", `{}`)
			c.wantMark(true, true, true)
			_ = c.conn.CloseWrite()
		case 4:
			_, _ = io.WriteString(c.conn, `{"method":"io.podman`)
		case 5:
			c.callMore("GetEvents", `{}`)
		}
		c.conn.Close()
	}
	before.wantBack(t)
	if n := r.feed.Subscribers(); n != 0 {
		t.Errorf("%d subscribers are left", n)
	}
}

func TestLimits_shutDownServer(t *testing.T) {
	before := measure(t)
	r := newRig(t)
	for range 5 {
		c := r.dial()
		c.callMore("Subscribe", `{}`)
		c.wantMark(true, true, true)
		r.dial().alive()
		t.Cleanup(func() { c.conn.Close() })
	}
	r.end()
	clients := 10 // the ends that the test itself holds
	before.descriptors += clients
	before.wantBack(t)
}

func TestLimits_memoryOfASubscriber(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a thousand connections")
	}
	r := newRig(t)
	const many = 1000
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	conns := make([]*client, 0, many)
	for range many {
		conns = append(conns, r.dial())
	}
	for _, c := range conns {
		c.alive()
		c.in = nil
	}
	idle := memory()
	for _, c := range conns {
		c.in = nil
		c.callMore("Subscribe", `{}`)
		reply := make([]byte, 512)
		if _, err := c.conn.Read(reply); err != nil {
			t.Fatal(err)
		}
	}
	// A burst for all: what it needed must not be kept.
	r.write(eventList(0, 50)...)
	for _, c := range conns {
		c.in = nil
		for buf, frames := make([]byte, 64<<10), 0; frames < 50; {
			n, err := c.conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			frames += bytes.Count(buf[:n], []byte{0})
		}
	}
	subscribed := memory()
	per := (int64(subscribed) - int64(idle)) / many
	t.Logf("an idle subscriber takes %d bytes more than an idle connection; in all %d bytes for %d", per, subscribed, many)
	if most := int64(16 << 10); per > most && !raceEnabled {
		t.Errorf("an idle subscriber takes %d bytes, want at most %d", per, most)
	}
	if n := r.feed.Subscribers(); n != many {
		t.Errorf("there are %d subscribers", n)
	}
}
