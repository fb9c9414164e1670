package dbuswire

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

const (
	testName  = "org.example.Echo1"
	testPath  = "/org/example/Echo1"
	waitLimit = 20 * time.Second
)

// echo is an interface with one method, which answers with its argument, and one
// property.
var echo = &Interface{
	Name: testName,
	Methods: map[string]Method{"Echo": {Signature: "s", Handle: func(k *Call, d *Decoder) error {
		text := d.Text()
		if err := d.Done(); err != nil {
			return err
		}
		e := NewEncoder(nil)
		e.Text(text)
		return k.Reply("s", e.Bytes())
	}}},
	Properties: []Property{{Name: "Answer", Signature: "u", Encode: func(_ *Call, e *Encoder) { e.Uint32(42) }}},
}

// serve runs a service with the interface echo on a bus, until the test ends.
func serve(t *testing.T, address string) *Service {
	t.Helper()
	s, err := New(Options{Bus: address, Name: testName, Required: true, Object: func(k *Call) *Object {
		if k.Path != testPath {
			return nil
		}
		return &Object{Interfaces: []*Interface{echo}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(waitLimit):
		t.Fatal("the service does not get ready")
	}
	return s
}

func connect(t *testing.T, address string) *godbus.Conn {
	t.Helper()
	c, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call calls a method of an object by the name of the service, or another, and
// returns the name of the error.
func call(t *testing.T, c *godbus.Conn, dest string, path godbus.ObjectPath, method string, args ...any) (body []any, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	reply := c.Object(dest, path).CallWithContext(ctx, method, 0, args...)
	var failed godbus.Error
	switch {
	case reply.Err == nil:
	case errors.As(reply.Err, &failed):
		name = failed.Name
	default:
		t.Fatal(reply.Err)
	}
	return reply.Body, name
}

// What is wrong with a call the caller learns by the error that D-Bus has for it.
func TestService_answersCalls(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	serve(t, bus.Address())
	c := connect(t, bus.Address())
	for _, test := range []struct {
		path   godbus.ObjectPath
		method string
		args   []any
		want   any    // the first value of the reply
		name   string // else that of the error
	}{
		{path: testPath, method: testName + ".Echo", args: []any{"ä"}, want: "ä"},
		{path: testPath, method: testName + ".Echo", args: []any{1.5}, name: ErrInvalidArgs},
		{path: testPath, method: testName + ".Ech", name: ErrUnknownMethod},
		{path: testPath, method: testName + "2.Echo", name: ErrUnknownInterface},
		{path: "/org/example", method: testName + ".Echo", args: []any{""}, name: ErrUnknownObject},
		{path: "/org/example", method: PeerInterface + ".Ping"},
		{path: testPath, method: PropertiesInterface + ".Get", args: []any{testName, "Answer"}, want: godbus.MakeVariant(uint32(42))},
		{path: testPath, method: PropertiesInterface + ".Get", args: []any{"", "Answer"}, want: godbus.MakeVariant(uint32(42))},
		{path: testPath, method: PropertiesInterface + ".Get", args: []any{testName, "Other"}, name: ErrUnknownProperty},
		{path: testPath, method: PropertiesInterface + ".Get", args: []any{PeerInterface, "Answer"}, name: ErrUnknownProperty},
		{path: testPath, method: PropertiesInterface + ".GetAll", args: []any{"org.example.Other"}, name: ErrUnknownInterface},
		{path: testPath, method: PropertiesInterface + ".Set", args: []any{testName, "Answer", godbus.MakeVariant(1)}, name: ErrReadOnly},
	} {
		body, name := call(t, c, testName, test.path, test.method, test.args...)
		if name != test.name || test.want != nil && (len(body) != 1 || body[0] != test.want) {
			t.Errorf("%s on %s, %v: got %v and the error %q", test.method, test.path, test.args, body, name)
		}
	}
}

// The introspection data of the interfaces of D-Bus itself describe what is
// served.
func TestIntrospect_describesStandardInterfaces(t *testing.T) {
	object := &Object{Interfaces: []*Interface{echo}}
	var node introspect.Node
	if err := xml.Unmarshal([]byte(object.describe()), &node); err != nil {
		t.Fatal(err)
	}
	served := object.standard()
	if len(node.Interfaces) != len(served) {
		t.Fatalf("%d interfaces are described, %d served", len(node.Interfaces), len(served))
	}
	for _, i := range served {
		for _, described := range node.Interfaces {
			if described.Name != i.Name {
				continue
			}
			if len(described.Methods) != len(i.Methods) {
				t.Errorf("%s describes %d methods and has %d", i.Name, len(described.Methods), len(i.Methods))
			}
			for _, m := range described.Methods {
				in := ""
				for _, arg := range m.Args {
					if arg.Direction == "in" {
						in += arg.Type
					}
				}
				if in != i.Methods[m.Name].Signature {
					t.Errorf("%s.%s describes %q and takes %q", i.Name, m.Name, in, i.Methods[m.Name].Signature)
				}
			}
		}
	}
}

// A call by the unique name, after the name was given back, is refused.
func TestService_refusesCallsWhileLeaving(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	s := serve(t, bus.Address())
	c := connect(t, bus.Address())
	conn := s.Conn()
	conn.shut()
	if _, name := call(t, c, conn.Unique(), testPath, testName+".Echo", ""); name != ErrServiceUnknown {
		t.Errorf("the error is %q", name)
	}
}

// Descriptors that come with calls, wanted or not, are closed.
func TestConnection_survivesHostileDescriptors(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	serve(t, bus.Address())
	c := connect(t, bus.Address())
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	before := open()
	for range 50 {
		if _, name := call(t, c, testName, testPath, testName+".Echo", []godbus.UnixFD{0, 1, 2}); name != ErrInvalidArgs {
			t.Fatalf("the error is %q", name)
		}
	}
	if after := open(); after > before+2 {
		t.Errorf("%d descriptors were open, then %d", before, after)
	}
}
