package dbus

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// baseline is what this process has; it has to come back to that.
type baseline struct {
	t           *testing.T
	descriptors int
	goroutines  int
	heap        uint64
}

func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func takeBaseline(t *testing.T) *baseline {
	return &baseline{t: t, descriptors: descriptors(t), goroutines: runtime.NumGoroutine(), heap: heap()}
}

func (b *baseline) returns() {
	b.t.Helper()
	eventually(b.t, "descriptors are as before", func() bool { return descriptors(b.t) <= b.descriptors })
	eventually(b.t, "goroutines are as before", func() bool { return runtime.NumGoroutine() <= b.goroutines })
	const slack = 16 << 20
	if now := heap(); now > b.heap+slack {
		b.t.Errorf("memory has grown from %d to %d bytes", b.heap, now)
	}
}

// warm makes the server do everything once, so that it has what it keeps.
func (r *rig) warm() {
	c := r.client()
	ask(r.t, c, "GetEvents", []string{}, dict{})
	signals := hear(c)
	ask(r.t, c, "Subscribe", "t", []string{}, dict{"from_start": v(true)})
	file, in := openStream(r.t, c, nil, dict{"from_start": v(true)})
	nextLine(r.t, in)
	if r.feed.Status().Read > 0 {
		next(r.t, signals)
		nextLine(r.t, in)
	}
	file.Close()
	c.Close()
	r.idle()
}

// idle waits until no client is known any more.
func (r *rig) idle() {
	r.t.Helper()
	eventually(r.t, "all subscribers are gone", func() bool { return r.feed.Subscribers() == 0 })
}

// call sends a call whose body may be anything.
func send(c *godbus.Conn, method, signature string, flags godbus.Flags, body ...any) *godbus.Call {
	m := &godbus.Message{Type: godbus.TypeMethodCall, Flags: flags, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: v(eventsInterface), godbus.FieldPath: v(godbus.ObjectPath(eventsPath)),
		godbus.FieldInterface: v(eventsInterface), godbus.FieldMember: v(method),
	}}
	if signature != "" {
		m.Headers[godbus.FieldSignature] = v(godbus.ParseSignatureMust(signature))
	}
	return c.Send(m, make(chan *godbus.Call, 1))
}

func wait1(t testing.TB, call *godbus.Call) *godbus.Call {
	t.Helper()
	select {
	case done := <-call.Done:
		return done
	case <-time.After(patience):
		t.Fatal("no answer comes")
		return nil
	}
}

func nameOf(err error) string {
	var e godbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return fmt.Sprint(err)
}

func TestCall_descriptors(t *testing.T) {
	r := newRig(t, nil)
	r.warm()
	before := takeBaseline(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	fd := godbus.UnixFD(null.Fd())
	c, err := godbus.Connect(r.daemon.Address())
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		for _, hostile := range []struct {
			signature string
			body      []any
		}{
			{"h", []any{fd}},
			{"hhhhhhhhhhhhhhhh", []any{fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd}},
			{"ah", []any{[]godbus.UnixFD{fd, fd, fd, fd}}},
			{"aah", []any{[][]godbus.UnixFD{{fd, fd}, {fd}}}},
			{"v", []any{v([]godbus.UnixFD{fd, fd})}},
			{"a{sv}", []any{dict{"type": v(fd), "x": v([]godbus.UnixFD{fd})}}},
			{"asa{sv}", []any{[]string{}, dict{"since": v(fd)}}},
		} {
			for _, method := range []string{"GetEvents", "WriteEvent"} {
				err := wait1(t, send(c, method, hostile.signature, 0, hostile.body...)).Err
				if nameOf(err) != dbuswire.ErrInvalidArgs {
					t.Fatalf("%s(%s): %v", method, hostile.signature, err)
				}
			}
			send(c, "GetEvents", hostile.signature, godbus.FlagNoReplyExpected, hostile.body...)
		}
	}
	ask(t, c, "GetEvents", []string{}, dict{})
	c.Close()
	null.Close()
	before.returns()
}

// Arguments of wrong types are refused.
func TestArguments_wrongTypes(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	deep := any("x")
	for range 60 {
		deep = v(deep)
	}
	for _, wrong := range []struct {
		method string
		body   []any
	}{
		{"GetEvents", nil},
		{"GetEvents", []any{"type=container", dict{}}},
		{"GetEvents", []any{[]string{}, map[string]string{"since": "now"}}},
		{"GetEvents", []any{[]string{}, dict{}, "more"}},
		{"GetEvents", []any{[]string{}, dict{"limit": v("10")}}},
		{"GetEvents", []any{[]string{}, dict{"limit": v(uint32(0))}}},
		{"GetEvents", []any{[]string{}, dict{"limit": v(int64(-1))}}},
		{"GetEvents", []any{[]string{}, dict{"sinse": v("now")}}},
		{"GetEvents", []any{[]string{}, dict{"since": deep.(godbus.Variant)}}},
		{"GetEvents", []any{[]string{}, dict{"since": v(godbus.ObjectPath("/"))}}},
		{"GetLastEvent", []any{dict{}}},
		{"WriteEvent", []any{map[string]string{}}},
		{"WriteEvent", []any{dict{"type": v(uint32(1))}}},
		{"WriteEvent", []any{dict{"attributes": v(map[string]uint32{"a": 1})}}},
		{"Subscribe", []any{"", []string{}, dict{}}},
		{"Subscribe", []any{"a/b", []string{}, dict{}}},
		{"Subscribe", []any{"ä", []string{}, dict{}}},
		{"Subscribe", []any{strings.Repeat("a", 129), []string{}, dict{}}},
		{"Subscribe", []any{"a", []string{}, dict{"from_start": v("true")}}},
		{"Subscribe", []any{"a", []string{}, dict{"from_start": v(true), "after": v("x")}}},
		{"Unsubscribe", []any{"/not/a/path"}},
		{"OpenStream", []any{[]string{}}},
	} {
		if _, err := try(c, wrong.method, wrong.body...); nameOf(err) != dbuswire.ErrInvalidArgs {
			t.Errorf("%s(%.100v): %v", wrong.method, wrong.body, err)
		}
	}
}

// Every error of the contract has its name.
func TestErrors_names(t *testing.T) {
	r := newRig(t, nil)
	r.write(event(1))
	c := r.client()
	for _, wrong := range []struct {
		method string
		body   []any
		name   string
	}{
		{"GetEvents", []any{[]string{"typ=container"}, dict{}}, errorPrefix + "InvalidFilter"},
		{"GetEvents", []any{slices.Repeat([]string{"type=pod"}, 257), dict{}}, errorPrefix + "InvalidFilter"},
		{"GetEvents", []any{slices.Repeat([]string{"type=pod"}, 5000), dict{}}, errorPrefix + "InvalidFilter"},
		{"GetLastEvent", []any{slices.Repeat([]string{"type=pod"}, 257)}, errorPrefix + "InvalidFilter"},
		{"WriteEvent", []any{dict{"type": v("pod"), "status": v("create"), "cursor": v("x")}}, dbuswire.ErrInvalidArgs},
		{"GetEvents", []any{[]string{"name=" + strings.Repeat("x", 5000)}, dict{}}, errorPrefix + "InvalidFilter"},
		{"GetEvents", []any{[]string{}, dict{"since": v("overmorrow")}}, errorPrefix + "InvalidTime"},
		{"GetEvents", []any{[]string{}, dict{"after": v("nonsense")}}, errorPrefix + "InvalidCursor"},
		{"GetEvents", []any{[]string{}, dict{"after": v("")}}, errorPrefix + "InvalidCursor"},
		{"GetEvents", []any{[]string{}, dict{"after": v(strings.Repeat("x", 300))}}, errorPrefix + "InvalidCursor"},
		{"Subscribe", []any{"t", []string{}, dict{"after": v("nonsense")}}, errorPrefix + "InvalidCursor"},
		{"OpenStream", []any{[]string{}, dict{"until": v("x")}}, errorPrefix + "InvalidTime"},
		{"GetLastEvent", []any{[]string{"name=nobody"}}, errorPrefix + "EventNotFound"},
		{"WriteEvent", []any{dict{"status": v("create")}}, errorPrefix + "InvalidEvent"},
		{"WriteEvent", []any{dict{"type": v("pod"), "status": v("creat")}}, errorPrefix + "InvalidEvent"},
		{"WriteEvent", []any{dict{"type": v("pod"), "status": v("create"), "exit_code": v(int64(1 << 32))}}, errorPrefix + "InvalidEvent"},
		{"WriteEvent", []any{dict{"type": v("pod"), "status": v("create"), "time": v("10m")}}, errorPrefix + "InvalidTime"},
		{"WriteEvent", []any{dict{"type": v("pod"), "status": v("create"), "name": v(strings.Repeat("x", 300<<10))}}, errorPrefix + "InvalidEvent"},
		{"Unsubscribe", []any{godbus.ObjectPath(subscriptionPath + "/nobody")}, dbuswire.ErrUnknownObject},
		{"Nonsense", nil, dbuswire.ErrUnknownMethod},
		{"io.podman.Nonsense.X", nil, dbuswire.ErrUnknownInterface},
		{"org.freedesktop.DBus.Properties.Get", []any{eventsInterface, "Nonsense"}, dbuswire.ErrUnknownProperty},
		{"org.freedesktop.DBus.Properties.Set", []any{eventsInterface, "Version", v("2")}, dbuswire.ErrReadOnly},
	} {
		if _, err := try(c, wrong.method, wrong.body...); nameOf(err) != wrong.name {
			t.Errorf("%s(%.60v): %v, want %s", wrong.method, wrong.body, nameOf(err), wrong.name)
		}
	}
	if err := c.Object(eventsInterface, "/nowhere").Call(dbuswire.IntrospectableInterface+".Introspect", 0).Err; nameOf(err) != dbuswire.ErrUnknownObject {
		t.Errorf("an object that is not there: %v", err)
	}
	r.feed.Close()
	if _, err := try(c, "Subscribe", "t", []string{}, dict{}); nameOf(err) != errorPrefix+"ShuttingDown" {
		t.Errorf("a feed that is closed: %v", err)
	}
}

// An error names options and fields as this interface does.
func TestErrors_spelling(t *testing.T) {
	c := newRig(t, nil).client()
	written := func(field string, value any) []any {
		return []any{dict{"type": v("pod"), "status": v("create"), field: v(value)}}
	}
	for _, wrong := range []struct {
		method string
		body   []any
		name   string
	}{
		{"GetEvents", []any{[]string{}, dict{"from_start": v(true), "after": v("x")}}, "from_start"},
		{"OpenStream", []any{[]string{}, dict{"from_start": v(true), "after": v("x")}}, "from_start"},
		{"Subscribe", []any{"t", []string{}, dict{"from_start": v(true), "after": v("x")}}, "from_start"},
		{"GetEvents", []any{[]string{}, dict{"limit": v(uint32(0))}}, "limit"},
		{"WriteEvent", written("exit_code", int64(1<<32)), "exit_code"},
		{"WriteEvent", written("health_failing_streak", int64(-1)), "health_failing_streak"},
		{"WriteEvent", written("timestamp_usec", int64(-1)), "timestamp_usec"},
		{"WriteEvent", written("pod_id", strings.Repeat("x", 300<<10)), "pod_id"},
		{"WriteEvent", written("health_log", strings.Repeat("x", 300<<10)), "health_log"},
	} {
		_, err := try(c, wrong.method, wrong.body...)
		if err == nil || !strings.Contains(err.Error(), wrong.name) || regexp.MustCompile(`\b[a-z]+[A-Z]`).MatchString(err.Error()) {
			t.Errorf("%s(%.100v): %v, want one that names %s", wrong.method, wrong.body, err, wrong.name)
		}
	}
}

func TestCall_tenThousandAtOnce(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 2000)...)
	r.warm()
	before := takeBaseline(t)
	c, err := godbus.Connect(r.daemon.Address())
	if err != nil {
		t.Fatal(err)
	}
	const calls = 10_000
	done := make(chan *godbus.Call, calls)
	for range calls {
		object(c).Go(eventsInterface+".GetEvents", 0, done, []string{"name=c1"}, dict{})
	}
	answered, refused := 0, 0
	for range calls {
		select {
		case call := <-done:
			switch {
			case call.Err == nil:
				answered++
			case nameOf(call.Err) == dbuswire.ErrLimitsExceeded:
				refused++
			default:
				t.Fatal(call.Err)
			}
		case <-time.After(patience):
			t.Fatalf("after %d answers and %d refusals nothing more comes", answered, refused)
		}
	}
	if answered < limits.CallsPerSender || refused == 0 {
		t.Errorf("%d calls were answered and %d refused", answered, refused)
	}
	ask(t, c, "GetEvents", []string{}, dict{})
	c.Close()
	before.returns()
}

func TestSubscribe_vanishingPeers(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 2000)...)
	r.warm()
	before := takeBaseline(t)
	for range 100 {
		// Not with godbus: it keeps the descriptor of a reply that no code reads.
		c := connectRaw(t, r.daemon.Path)
		c.subscribeAll()
		c.call("OpenStream", "asa{sv}", func(e *dbuswire.Encoder) {
			e.Texts(nil)
			dict1(e, "from_start", "b", func() { e.Bool(true) })
		})
		c.sock.Close()
	}
	r.idle()
	before.returns()
	c := r.client()
	ask(t, c, "GetEvents", []string{}, dict{})
}

func TestCall_tooLong(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	long := strings.Repeat("x", 4<<20)
	if _, err := try(c, "GetLastEvent", []string{long}); nameOf(err) != dbuswire.ErrLimitsExceeded {
		t.Errorf("a call of 4 MiB: %v", err)
	}
	if _, err := try(c, "WriteEvent", dict{"type": v("pod"), "status": v("create"), "name": v(long)}); nameOf(err) != dbuswire.ErrLimitsExceeded {
		t.Errorf("a call of 4 MiB: %v", err)
	}
	ask(t, c, "GetEvents", []string{}, dict{})
}

func TestMessage_noCall(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	unique := ""
	if err := c.BusObject().Call("org.freedesktop.DBus"+".GetNameOwner", 0, eventsInterface).Store(&unique); err != nil {
		t.Fatal(err)
	}
	for serial := range uint32(300) {
		for _, m := range []*godbus.Message{
			{Type: godbus.TypeMethodReply, Headers: map[godbus.HeaderField]godbus.Variant{
				godbus.FieldDestination: v(unique), godbus.FieldReplySerial: v(serial + 1),
			}},
			{Type: godbus.TypeError, Headers: map[godbus.HeaderField]godbus.Variant{
				godbus.FieldDestination: v(unique), godbus.FieldReplySerial: v(serial + 1), godbus.FieldErrorName: v(dbuswire.ErrAccessDenied),
			}},
			{Type: godbus.TypeSignal, Body: []any{":1.0", ":1.0", ""}, Headers: map[godbus.HeaderField]godbus.Variant{
				godbus.FieldDestination: v(unique), godbus.FieldPath: v(godbus.ObjectPath("/org/freedesktop/DBus")),
				godbus.FieldInterface: v("org.freedesktop.DBus"), godbus.FieldMember: v("NameLost"),
				godbus.FieldSignature: v(godbus.ParseSignatureMust("sss")),
			}},
		} {
			c.Send(m, nil)
		}
	}
	ask(t, c, "GetEvents", []string{}, dict{})
}

func TestQuotas_givenBack(t *testing.T) {
	r := newRig(t, nil)
	r.warm()
	c := r.client()
	ask(t, c, "GetEvents", []string{}, dict{})
	eventually(t, "all is given back", func() bool { return r.server.core.Used(&subscriptionQuota)+r.server.core.Used(&streams) == 0 })
}

func TestSubscriptions_bounded(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	for n := range limits.SubscriptionsPerSender {
		ask(t, c, "Subscribe", fmt.Sprint("t", n), []string{}, dict{})
	}
	if _, err := try(c, "Subscribe", "t0", []string{}, dict{}); nameOf(err) != dbuswire.ErrInvalidArgs {
		t.Errorf("the same token again: %v", err)
	}
	if _, err := try(c, "Subscribe", "more", []string{}, dict{}); nameOf(err) != dbuswire.ErrLimitsExceeded {
		t.Errorf("one too many: %v", err)
	}
	ask(t, c, "Unsubscribe", godbus.ObjectPath(subscriptionPath+"/t7"))
	ask(t, c, "Subscribe", "more", []string{}, dict{})
}
