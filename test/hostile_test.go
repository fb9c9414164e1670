package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// witness is a well-behaved client among hostile ones: it follows, while another client
// writes.
type witness struct {
	d        *daemon
	t        *testing.T
	follower *wire
	writer   *wire
	n        int

	descriptors, goroutines, memory int // of the daemon, before
}

// newMetered describes a daemon that reports how many goroutines it has.
func newMetered(t *testing.T, args ...string) *daemon {
	d := newDaemon(t, args...)
	if d.unit == nil {
		d.args = append(d.args, "--metrics", "unix:"+filepath.Join(d.dir, "metrics"))
	}
	return d
}

func startMetered(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := newMetered(t, args...)
	d.start()
	return d
}

// witness begins to follow, and records the resources of the daemon.
func (d *daemon) witness() *witness {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(w.close)
	o := &witness{d: d, t: d.t.(*testing.T), follower: d.subscribe(nil), writer: w}
	o.isServed()
	o.descriptors, o.memory = d.descriptors(), d.memory()
	// The call that asks may itself add a goroutine or not.
	for range 20 {
		o.goroutines = max(o.goroutines, d.goroutines())
	}
	return o
}

// isServed checks that a written event arrives.
func (o *witness) isServed() {
	o.t.Helper()
	o.n++
	name := fmt.Sprintf("witness-%d", o.n)
	_ = o.writer.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := o.writer.write(name); err != nil {
		o.t.Fatalf("a well-behaved client: %v", err)
	}
	if got := o.follower.nextEvent(o.t); got != name {
		o.t.Fatalf("a well-behaved follower got %s, want %s", got, name)
	}
}

// baseline checks that the daemon uses the same resources as before. Nothing is written
// until it does, because it must notice without a write that a client has gone.
func (o *witness) baseline() {
	o.t.Helper()
	subscribers := func() int { return o.d.call("GetStatus", nil).Parameters.Subscribers }
	for deadline := time.Now().Add(20 * time.Second); o.d.descriptors() > o.descriptors || o.d.goroutines() > o.goroutines || subscribers() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("%d descriptors and %d goroutines before, %d and %d after; %d subscribers",
				o.descriptors, o.goroutines, o.d.descriptors(), o.d.goroutines(), subscribers())
		}
	}
	o.isServed()
	o.t.Logf("memory: %d kB before, %d kB after; %d descriptors, %d goroutines", o.memory, o.d.memory(), o.d.descriptors(), o.d.goroutines())
}

// suffers attacks three times: the memory that the first attacks leave is kept by Go's
// runtime for reuse, and the last attack must not add to it. The amount depends on when
// the runtime last collected garbage, so a small increase is no leak.
func (o *witness) suffers(attack func()) {
	o.t.Helper()
	before := 0
	for range 2 {
		attack()
		o.baseline()
		before = max(before, o.d.memory())
	}
	attack()
	o.baseline()
	const slack, little = 48 << 10, 512 << 10 // kB
	if now := o.d.memory(); now > before+slack && now > little {
		o.t.Errorf("memory: %d kB before, at most %d kB after two attacks, %d kB after three", o.memory, before, now)
	}
}

const (
	getStatus = `{"method":"io.podman.events.GetStatus"}` + "\x00"
	subscribe = `{"method":"io.podman.events.Subscribe","parameters":{"fromStart":true},"more":true}` + "\x00"
)

// say sends text on a new connection and returns what arrives until the daemon closes it
// or sends nothing more.
func (d *daemon) say(text string) (replies []string, closed bool) {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.close()
	if _, err := io.WriteString(w.conn, text); err != nil {
		return nil, true
	}
	for {
		_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		b, err := w.r.ReadBytes(0)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET):
			return replies, true
		case err != nil:
			d.t.Fatalf("after %q: %v", text[:min(len(text), 100)], err)
		}
		replies = append(replies, string(b))
		if strings.Contains(string(b), "the-end-of-what-is-said") {
			return replies, false
		}
	}
}

// theEnd is a call whose reply shows that the connection is still open.
const theEnd = `{"method":"the-end-of-what-is-said.Call"}` + "\x00"

// Hostile calls of every kind get a reply, or end only their own connection.
func TestHostile_calls(t *testing.T) {
	d := startMetered(t)
	o := d.witness()
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, test := range []struct {
		name, text string
		want       string // in the first reply; "": the connection is closed
	}{
		{"Nothing", "\x00", ""},
		{"No JSON", "hello\x00", ""},
		{"No object", "[]\x00", ""},
		{"Bytes that are no UTF-8", `{"method":"io.podman.events.` + "\xff\xfe" + `"}` + "\x00", ""},
		{"Half a pair of surrogates", `{"method":"io.podman.events.GetEvents","parameters":{"filters":["name=\ud800"]}}` + "\x00", `"events":[]`},
		{"Deep JSON", `{"method":"io.podman.events.GetStatus","parameters":` + deep + "}\x00", ""},
		{"JSON without end", strings.Repeat("[", 100_000) + "\x00", ""},
		{"A member twice", `{"method":"io.podman.events.GetStatus","method":"io.podman.events.GetEvents"}` + "\x00", ""},
		{"More and oneway", `{"method":"io.podman.events.GetStatus","more":true,"oneway":true}` + "\x00", ""},
		{"A method that is a number", `{"method":1}` + "\x00", "InvalidParameter"},
		{"A method of nothing", `{"method":"."}` + "\x00", "InvalidParameter"},
		{"Parameters that are a list", `{"method":"io.podman.events.GetEvents","parameters":[]}` + "\x00", "InvalidParameter"},
		{"A number out of range", `{"method":"io.podman.events.GetEvents","parameters":{"limit":9223372036854775808}}` + "\x00", "InvalidParameter"},
		{"A number far out of range", `{"method":"io.podman.events.GetEvents","parameters":{"limit":1e999}}` + "\x00", "InvalidParameter"},
		{"A number that is less than nothing", `{"method":"io.podman.events.GetEvents","parameters":{"limit":-1}}` + "\x00", "InvalidParameter"},
		{"A fraction", `{"method":"io.podman.events.GetEvents","parameters":{"limit":1.5}}` + "\x00", "InvalidParameter"},
		{"An unknown interface", `{"method":"com.example.Do"}` + "\x00", "InterfaceNotFound"},
		{"An unknown method", `{"method":"io.podman.events.Do"}` + "\x00", "MethodNotFound"},
		{"A stream without more", `{"method":"io.podman.events.Subscribe"}` + "\x00", "ExpectedMore"},
		{"An upgrade", `{"method":"io.podman.events.GetStatus","upgrade":true}` + "\x00", "InvalidParameter"},
		{"Too many filters", `{"method":"io.podman.events.GetEvents","parameters":{"filters":[` + strings.Repeat(`"name=x",`, 256) + `"name=y"]}}` + "\x00", "InvalidFilter"},
		{"Too long a filter", `{"method":"io.podman.events.GetEvents","parameters":{"filters":["name=` + strings.Repeat("x", 5000) + `"]}}` + "\x00", "InvalidFilter"},
		{"Too long a cursor", `{"method":"io.podman.events.GetEvents","parameters":{"after":"` + strings.Repeat("x", 256) + `"}}` + "\x00", "InvalidCursor"},
		{"Too fast a heartbeat", `{"method":"io.podman.events.Subscribe","parameters":{"heartbeatSec":0},"more":true}` + "\x00", "InvalidParameter"},
		{"Too long an event", `{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume","status":"create","name":"` + strings.Repeat("x", 300_000) + `"}}}` + "\x00", "InvalidEvent"},
		{"Too long a request", `{"method":"io.podman.events.GetEvents","parameters":{"after":"` + strings.Repeat("x", 2<<20), "InvalidParameter"},
	} {
		replies, closed := d.say(test.text + theEnd)
		switch {
		case test.want == "" && (!closed || len(replies) > 0):
			t.Errorf("%s: closed %v, %.200q", test.name, closed, replies)
		case test.want != "" && (len(replies) == 0 || !strings.Contains(replies[0], test.want)):
			// The daemon may close the connection before a long request is written.
			if !closed || len(test.text) < 1<<20 {
				t.Errorf("%s: %.200q, want %s", test.name, replies, test.want)
			}
		case test.want != "" && closed && len(test.text) < 1<<20:
			t.Errorf("%s: the connection was closed", test.name)
		}
		o.isServed()
	}
	o.baseline()
}

// A call may arrive in any two pieces, and thousands of calls at once.
func TestHostile_pieces(t *testing.T) {
	d := startMetered(t)
	o := d.witness()
	for at := 1; at < len(getStatus); at++ {
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []string{getStatus[:at], getStatus[at:]} {
			if _, err := io.WriteString(w.conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := w.recv(); err != nil || r.Error != "" {
			t.Errorf("split at byte %d: %v %v", at, r, err)
		}
		w.close()
	}
	const calls = 20_000
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	go func() {
		out := bufio.NewWriterSize(w.conn, 1<<16)
		for n := range calls {
			fmt.Fprintf(out, `{"method":"n%d.Call"}`+"\x00", n)
		}
		_ = out.Flush()
	}()
	for n := range calls {
		_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
		r, err := w.recv()
		if err != nil || r.Parameters.Interface != fmt.Sprintf("n%d", n) {
			t.Fatalf("call %d: %+v %v", n, r, err)
		}
	}
	w.close()
	o.baseline()
}

// Frames without end are cut off.
func TestHostile_endlessFrames(t *testing.T) {
	d := startMetered(t)
	o := d.witness()
	junk := strings.Repeat("x", 64<<10)
	o.suffers(func() {
		for range 16 {
			w, err := dial(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
			sent := 0
			for err == nil && sent < 64<<20 {
				var n int
				n, err = io.WriteString(w.conn, junk)
				sent += n
			}
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the daemon took %d bytes without a NUL: %v", sent, err)
			}
			w.close()
		}
	})
}

// A client that only reads keeps its stream.
func TestHostile_halfClosed(t *testing.T) {
	d := startMetered(t)
	o := d.witness()
	w := d.subscribe(nil)
	if err := w.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		o.isServed()
		if got := w.nextEvent(t); got != fmt.Sprintf("witness-%d", o.n) {
			t.Errorf("it gets %s", got)
		}
	}
	w.close()
	o.baseline()
}

// Ten thousand connections that come and go leave no resources in use.
func TestHostile_tenThousandConnections(t *testing.T) {
	d := startMetered(t)
	for n := range 100 {
		appendTo(t, d.log, lineOf(fmt.Sprintf("v%d", n)))
	}
	o := d.witness()
	what := []string{"", getStatus, subscribe, subscribe[:20], strings.ReplaceAll(subscribe, "fromStart", "wrong"), getStatus + subscribe}
	o.suffers(func() {
		for n := range 3_400 {
			conn, err := knock(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, what[n%len(what)])
			conn.Close()
			if n%1000 == 0 {
				o.isServed()
			}
		}
		// Some clients were served, and leave while nothing is sent to them.
		for range 50 {
			d.subscribe(nil).close()
		}
	})
}

// Five thousand idle connections are held, and use nothing after they are closed.
func TestHostile_idleConnections(t *testing.T) {
	const idle = 5000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < idle+500 {
		t.Skipf("this needs %d descriptors, and there may be %d", idle, limit.Cur)
	}
	needRoot(t) // who is not bounded
	d := startMetered(t)
	o := d.witness()
	o.suffers(func() {
		conns := make([]net.Conn, 0, idle)
		for range idle {
			conn, err := knock(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		o.isServed()
		for deadline := time.Now().Add(20 * time.Second); d.descriptors() < o.descriptors+idle; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the daemon has %d descriptors", d.descriptors())
			}
		}
		t.Logf("%d idle connections take %d kB", idle, d.memory()-o.memory)
		for _, conn := range conns {
			conn.Close()
		}
	})
}

// Clients that read a byte a second delay no other client, and are dropped in time.
func TestHostile_readersOfAByteASecond(t *testing.T) {
	d := newMetered(t, "--write-timeout", "2s")
	var past strings.Builder
	for n := range 20_000 {
		past.WriteString(lineOf(fmt.Sprintf("v%d", n)))
	}
	appendTo(t, d.log, past.String())
	d.start()
	o := d.witness()
	o.suffers(func() {
		const many = 50
		dropped := make(chan error, many)
		for range many {
			conn, err := knock(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, subscribe); err != nil {
				t.Fatal(err)
			}
			go func() {
				defer conn.Close()
				dropped <- readSlowly(conn)
			}()
		}
		for gone := 0; gone < many; {
			select {
			case err := <-dropped:
				if err == nil {
					t.Fatal("a reader of a byte a second was kept for a minute")
				}
				gone++
			default:
				o.isServed()
			}
		}
	})
}

// readSlowly reads a byte a second until the daemon closes the connection, for at most a
// minute; then it returns nil. What the kernel has buffered would still arrive.
func readSlowly(conn net.Conn) error {
	one := make([]byte, 1)
	for range 60 {
		if _, err := conn.Read(one); err != nil {
			return err
		}
		if hungUp(conn) {
			return io.EOF
		}
		time.Sleep(time.Second) // as such a reader does
	}
	return nil
}

// Hostile callers on D-Bus take no resources from the daemon.
func TestDBus_hostileCallers(t *testing.T) {
	d := newMetered(t)
	bus := "unix:path=/run/dbus/system_bus_socket" // of the unit
	if d.unit == nil {
		bus = testkit.StartBus(t, buspolicy.Session).Address()
		d.args = append(d.args, "--dbus", bus)
	}
	d.start()
	d.awaitLog("serving on D-Bus")
	o := d.witness()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := godbus.UnixFD(null.Fd())
	for range 20 {
		c, err := godbus.Connect(bus)
		if err != nil {
			t.Fatal(err)
		}
		object := c.Object(busName, objectPath)
		for range 20 {
			for _, args := range [][]any{
				{fd}, {[]godbus.UnixFD{fd, fd, fd}}, {[]string{}, map[string]godbus.Variant{"since": godbus.MakeVariant([]godbus.UnixFD{fd})}},
			} {
				if err := object.Call(busName+".GetEvents", 0, args...).Err; err == nil {
					t.Error("a call with descriptors is accepted")
				}
			}
			object.Call(busName+".OpenStream", godbus.FlagNoReplyExpected, []string{}, map[string]godbus.Variant{})
		}
		for n := range 60 {
			if err := object.Call(busName+".Subscribe", 0, fmt.Sprintf("t%d", n), []string{}, map[string]godbus.Variant{}).Err; err != nil {
				t.Error(err)
			}
		}
		var limited error
		for n := range 10 {
			limited = object.Call(busName+".Subscribe", 0, fmt.Sprintf("u%d", n), []string{}, map[string]godbus.Variant{}).Err
		}
		var e godbus.Error
		if !errors.As(limited, &e) || e.Name != "org.freedesktop.DBus.Error.LimitsExceeded" {
			t.Errorf("70 subscriptions: %v", limited)
		}
		c.Close() // and leaves all of them
		o.isServed()
	}
	o.baseline()
}
