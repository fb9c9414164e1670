package dbus

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store/null"
	"github.com/eventsvc/eventsvc/test/buspolicy"
)

func introspection(t testing.TB, c *godbus.Conn, path string) introspect.Node {
	t.Helper()
	var text string
	if err := c.Object(eventsInterface, godbus.ObjectPath(path)).Call(dbuswire.IntrospectableInterface+".Introspect", 0).Store(&text); err != nil {
		t.Fatal(err)
	}
	var node introspect.Node
	if err := xml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	return node
}

func introspectChildren(t testing.TB, c *godbus.Conn, path string) (names []string) {
	for _, child := range introspection(t, c, path).Children {
		names = append(names, child.Name)
	}
	return names
}

func TestIntrospect_contract(t *testing.T) {
	r := newRig(t, nil)
	node := introspection(t, r.client(), eventsPath)
	seen := 0
	for _, iface := range node.Interfaces {
		if iface.Name != eventsInterface {
			continue // those of D-Bus itself are tested in dbuswire
		}
		served := r.server.events
		methods, eventsProperties := served.Methods, served.Properties
		if len(methods) != len(iface.Methods) {
			t.Errorf("%s has %d methods and describes %d", iface.Name, len(methods), len(iface.Methods))
		}
		for _, m := range iface.Methods {
			in := ""
			for _, arg := range m.Args {
				if arg.Name == "" {
					t.Errorf("an argument of %s has no name", m.Name)
				}
				if arg.Direction == "in" {
					in += arg.Type
				}
			}
			if in != methods[m.Name].Signature {
				t.Errorf("%s takes %s and says %s", m.Name, methods[m.Name].Signature, in)
			}
			seen++
		}
		for i, p := range iface.Properties {
			if p.Name != eventsProperties[i].Name || p.Type != eventsProperties[i].Signature {
				t.Errorf("property %d is %s and says %s %s", i, eventsProperties[i].Name, p.Name, p.Type)
			}
		}
		signature := ""
		for _, arg := range iface.Signals[0].Args {
			signature += arg.Type
		}
		if signature != eventSignature || len(iface.Properties) != len(eventsProperties) {
			t.Errorf("the signal has %s, and there are %d properties", signature, len(iface.Properties))
		}
	}
	if seen != 7 {
		t.Errorf("%d methods are described", seen)
	}
	for _, path := range []string{"/", "/io", "/io/podman", eventsPath} {
		if children := introspectChildren(t, r.client(), path); len(children) != 1 {
			t.Errorf("below %s there are %v", path, children)
		}
	}
}

// TestIntrospection_typesForQt: without, qdbusxml2cpp makes no proxy.
func TestIntrospection_typesForQt(t *testing.T) {
	known := []string{"s", "as", "o", "h", "b", "u", "t"}
	told := func(list []introspect.Annotation, name string) bool {
		return slices.ContainsFunc(list, func(a introspect.Annotation) bool { return a.Name == name })
	}
	check := func(what string, args []introspect.Arg, annotations []introspect.Annotation) {
		count := map[string]int{}
		for _, arg := range args {
			direction := map[string]string{"in": "In", "out": "Out", "": "Out"}[arg.Direction]
			name := fmt.Sprintf("org.qtproject.QtDBus.QtTypeName.%s%d", direction, count[direction])
			count[direction]++
			if told(annotations, name) == slices.Contains(known, arg.Type) {
				t.Errorf("argument %s of %s has the type %s; is there %s: %v", arg.Name, what, arg.Type, name, told(annotations, name))
			}
		}
	}
	for _, iface := range introspection(t, newRig(t, nil).client(), eventsPath).Interfaces {
		if iface.Name != eventsInterface {
			continue
		}
		for _, m := range iface.Methods {
			check(m.Name, m.Args, m.Annotations)
		}
		for _, s := range iface.Signals {
			check(s.Name, s.Args, s.Annotations)
		}
	}
}

func TestPeer_everyObject(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	for _, path := range []godbus.ObjectPath{"/", "/io", eventsPath, subscriptionPath, "/nowhere"} {
		if err := c.Object(eventsInterface, path).Call(dbuswire.PeerInterface+".Ping", 0).Err; err != nil {
			t.Errorf("Ping %s: %v", path, err)
		}
	}
	id, err := try(c, dbuswire.PeerInterface+".GetMachineId")
	if err != nil && nameOf(err) != dbuswire.ErrFileNotFound || err == nil && len(id[0].(string)) < 32 {
		t.Errorf("GetMachineId: %v, %v", id, err)
	}
}

func TestName_busIsBack(t *testing.T) {
	ownDaemon(t)
	r := newRig(t, nil)
	c := r.client()
	ask(t, c, "Subscribe", "t", []string{}, dict{})
	followed, err := r.feed.Subscribe(context.Background(), feed.Request{Query: feed.Everything(), Format: r.server.lines})
	if err != nil {
		t.Fatal(err)
	}
	defer followed.Close()
	for range 3 {
		r.daemon.Stop()
		eventually(t, "subscriptions have ended", func() bool { return r.feed.Subscribers() == 1 })
		r.write(event(1)) // without a bus everything else continues
		if d, err := followed.Next(context.Background()); err != nil || len(d.Records) != 1 {
			t.Fatalf("a subscriber on another interface: %v, %v", d, err)
		}
		r.daemon.Start(t)
		c := r.client()
		eventually(t, "the name is owned again", func() bool {
			var owned bool
			return c.BusObject().Call("org.freedesktop.DBus"+".NameHasOwner", 0, eventsInterface).Store(&owned) == nil && owned
		})
		ask(t, c, "Subscribe", "t", []string{}, dict{})
	}
	if !strings.Contains(r.logged.String(), "the connection to the bus was lost") {
		t.Errorf("the log does not say what happened:\n%s", r.logged)
	}
}

func runOnce(t *testing.T, bus string) error {
	t.Helper()
	f := feed.New(new(null.Store))
	s, err := New(Options{Core: core.New(f, nil, nil), Bus: bus, Required: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = s.Run(ctx)
	select {
	case <-s.Ready():
		t.Errorf("the service is ready, and ends with %v", err)
	default:
	}
	return err
}

func TestName_cannotBeOwned(t *testing.T) {
	ownDaemon(t)
	r := newRig(t, nil)
	system := startDaemon(t, strings.ReplaceAll(buspolicy.System(t), `<allow own="io.podman.Events1"/>`, ""))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	exe, _ := os.Executable()
	for bus, text := range map[string]string{
		r.daemon.Address():         fmt.Sprintf("process %d of uid %d (%s)", os.Getpid(), os.Getuid(), exe),
		system.Address():           "the policy of the bus does not allow it",
		"unix:path=/nowhere/bus":   "cannot connect to the bus at unix:path=/nowhere/bus",
		"tcp:host=localhost":       "its address must begin with 'unix:'",
		"unix:tmpdir=/tmp":         "neither path nor abstract",
		"nonsense":                 "give system, session or an address",
		SessionBus:                 "DBUS_SESSION_BUS_ADDRESS is not set",
		"unix:path=" + t.TempDir(): "connection refused",
	} {
		if err := runOnce(t, bus); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", bus, err)
		}
	}
}

func TestBus_notThereYet(t *testing.T) {
	d := startDaemon(t, buspolicy.Session)
	d.Stop()
	r := newRig(t, d, func(o *Options) { o.Required = false })
	d.Start(t)
	c := r.client()
	eventually(t, "the name is owned", func() bool { return object(c).Call(dbuswire.PeerInterface+".Ping", 0).Err == nil })
}

func TestBroadcast_sessionBusAlone(t *testing.T) {
	ownDaemon(t)
	r := newRig(t, nil)
	c := r.client()
	signals := hear(c)
	if err := c.AddMatchSignal(godbus.WithMatchInterface(eventsInterface), godbus.WithMatchArg(1, "died")); err != nil {
		t.Fatal(err)
	}
	if err := c.AddMatchSignal(godbus.WithMatchInterface(eventsInterface), godbus.WithMatchArg(3, "c2")); err != nil {
		t.Fatal(err)
	}
	died := event(3)
	died.Status = "died"
	r.write(event(1), event(2), died, event(4))
	for _, want := range []string{"c2", "c3"} {
		s := next(t, signals)
		if _, numbered := s.Body[5].(dict)["sequence"]; s.Body[3] != want || s.Path != eventsPath || numbered {
			t.Errorf("got %v, want %s", s, want)
		}
	}
	if got := ask(t, c, "org.freedesktop.DBus.Properties.Get", eventsInterface, "Subscribers")[0].(godbus.Variant); got.Value() != uint32(0) {
		t.Errorf("%v subscribers are counted", got)
	}

	d := startDaemon(t, buspolicy.System(t))
	r = newRig(t, d)
	c = r.client()
	signals = hear(c)
	if err := c.AddMatchSignal(godbus.WithMatchInterface(eventsInterface)); err != nil {
		t.Fatal(err)
	}
	r.write(event(1))
	ask(t, c, "Subscribe", "t", []string{}, dict{})
	r.write(event(2))
	if s := next(t, signals); s.Body[3] != "c2" || s.Path != subscriptionPath+"/t" {
		t.Errorf("the first signal is %v", s)
	}
}

func TestBus_standsStill(t *testing.T) {
	ownDaemon(t)
	r := newRig(t, nil)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "t", []string{}, dict{})
	process := r.daemon.Process()
	process.Signal(syscall.SIGSTOP)
	const count = 20_000
	began := time.Now()
	r.write(eventRange(0, count)...)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("writing took %v", took)
	}
	process.Signal(syscall.SIGCONT)
	// Broadcasts have no listener here.
	for n := range count {
		if s := next(t, signals); s.Body[3] != fmt.Sprint("c", n) {
			t.Fatalf("signal %d is %v", n, s)
		}
	}
	process.Signal(syscall.SIGSTOP)
	r.write(eventRange(0, count)...)
	began = time.Now()
	r.end()
	if took := time.Since(began); took > 2*limits.ShutdownGrace {
		t.Errorf("stopping took %v", took)
	}
	process.Signal(syscall.SIGCONT)
}

func TestSubscribe_policyForbidsPings(t *testing.T) {
	policy := strings.ReplaceAll(buspolicy.System(t), `<allow send_interface="org.freedesktop.DBus.Peer" send_member="Ping"/>`, "")
	r := newRig(t, startDaemon(t, policy))
	const count = 5000
	r.write(eventRange(0, count)...)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "t", []string{}, dict{"from_start": v(true)})
	for range count {
		next(t, signals)
	}
	if got := strings.Count(r.logged.String(), "cannot ping D-Bus subscribers"); got != 1 {
		t.Errorf("the log says so %d times", got)
	}
}

// Pages go through all events once.
func TestGetEvents_pages(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 2500)...)
	c := r.client()
	options := dict{}
	var names []string
	pages := 0
	for complete := false; !complete; pages++ {
		out := ask(t, c, "GetEvents", []string{}, options)
		for _, e := range out[0].([][]any) {
			names = append(names, e[3].(string))
		}
		options["after"] = v(out[1].(string))
		complete = out[2].(bool)
	}
	want := make([]string, 2500)
	for n := range want {
		want[n] = fmt.Sprintf("c%d", n)
	}
	if !slices.Equal(names, want) || pages != 3 {
		t.Errorf("%d names on %d pages", len(names), pages)
	}
	out := ask(t, c, "GetEvents", []string{"name=c7"}, dict{"limit": v(uint64(1 << 63)), "since": v(firstTime.Format(time.RFC3339))})
	if len(out[0].([][]any)) != 1 || !out[2].(bool) {
		t.Errorf("one event: %v", out)
	}
}

// A written event is read back.
func TestWriteEvent_readBack(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	cursor := ask(t, c, "WriteEvent", dict{
		"type": v("container"), "status": v("auto_update"), "id": v("abc"), "name": v("web"), "image": v("img"),
		"exit_code": v(byte(3)), "pod_id": v("pod"), "attributes": v(map[string]string{"a": "b"}),
		"timestamp_usec": v(uint64(1795431600123456)), "health_failing_streak": v(int64(2)),
	})[0].(string)
	out := ask(t, c, "GetLastEvent", []string{"label=a=b"})
	e := out[0].([]any)
	details := e[5].(dict)
	if fmt.Sprint(e[:5]) != "[container auto-update abc web 1795431600123456]" || details["cursor"].Value() != cursor ||
		details["exit_code"].Value() != int32(3) || details["health_failing_streak"].Value() != "2" {
		t.Errorf("read back: %v", e)
	}
}
