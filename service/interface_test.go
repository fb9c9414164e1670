package service

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// other is a second interface: it has its own frames of the same feed, as the
// legacy interface does.
type other struct {
	feed   *feed.Feed
	format *feed.Format
}

const otherDescription = `# A second interface
interface org.example.other

type Choice (one, two)

# Streams names
method Names() -> (name: string)

method Panic(late: bool) -> ()

method Silent() -> ()

method Take(choice: Choice, map: ?[string]int, float: ?float, any: ?object, list: ?[](a: int)) -> ()

# Too many
error Sorry (reason: string)
`

func (o *other) VarlinkGetName() string        { return "org.example.other" }
func (o *other) VarlinkGetDescription() string { return otherDescription }

func (o *other) VarlinkDispatch(ctx context.Context, c varlink.Call, method string) error {
	call := varlinkwire.CallOf(c.Conn)
	switch method {
	case "Names":
		ctx, stop, err := call.Watch(ctx)
		if err != nil {
			return err
		}
		defer stop()
		s, err := o.feed.Subscribe(ctx, feed.Request{Query: store.Everything(), History: true, Format: o.format})
		if err != nil {
			return err
		}
		defer s.Close()
		for {
			d, err := s.Next(ctx)
			if errors.Is(context.Cause(ctx), varlinkwire.ErrStopping) {
				return call.ReplyError("org.example.other.Sorry", nil)
			}
			if err != nil {
				return err
			}
			if err := call.WriteFrames(d.Frames); err != nil {
				return err
			}
		}
	case "Panic":
		var in struct{ Late bool }
		if err := c.GetParameters(&in); err != nil {
			return err
		}
		if in.Late {
			if err := call.WriteFrame([]byte("{\"continues\":true}\x00")); err != nil {
				return err
			}
		}
		panic("on purpose")
	case "Take":
		return c.Reply(ctx, struct{}{})
	}
	return nil
}

func withOther(r *rig, _ *Options) {
	r.interfaces = append(r.interfaces, func(c *core.Core) Interface { return newOther(r.feed, c) })
}

func newOther(f *feed.Feed, c *core.Core) Interface {
	i := &other{feed: f, format: c.Register(func(frame []byte, r *store.Record) []byte {
		e := r.Event()
		return append(frame, `{"parameters":{"name":"`+e.Name+"\"},\"continues\":true}\x00"...)
	})}
	return Interface{
		Dispatcher: i,
		Unavailable: func(reason string) (string, any) {
			return "org.example.other.Sorry", struct {
				Reason string `json:"reason"`
			}{reason}
		},
		IsPartOfMore: true,
	}
}

func (c *client) callOther(method, parameters string) {
	c.t.Helper()
	c.send(`{"method":"org.example.other.` + method + `","more":true,"parameters":` + parameters + `}`)
}

func TestInterface_secondOnTheSameSockets(t *testing.T) {
	r := newRig(t, withOther)
	r.write(event(0))
	a, b := r.dial(), r.dial()
	a.callOther("Names", `{}`)
	b.callMore("Subscribe", `{"fromStart":true}`)
	b.wantMark(true, false, true)
	b.wantEvents("c0")
	b.wantMark(false, true, true)
	if got := a.receive(); got.Parameters["name"] != "c0" {
		t.Errorf("reply is %s", got)
	}
	r.write(event(1))
	if got := a.receive(); got.Parameters["name"] != "c1" {
		t.Errorf("reply is %s", got)
	}
	b.wantEvents("c1")
	c := r.dial()
	c.send(getInfo)
	if got := c.receive(); !equalJSON(t, got.Parameters["interfaces"], `["io.podman.events","io.systemd.service","org.example.other","org.varlink.service"]`) {
		t.Errorf("reply is %s", got)
	}
	if err := r.shutdown(); err != nil {
		t.Error(err)
	}
	a.wantError("org.example.other.Sorry", `{}`)
}

func TestInterface_parametersChecked(t *testing.T) {
	r := newRig(t, withOther)
	c := r.dial()
	for parameters, field := range map[string]string{
		`{"choice":"three"}`:                         "choice",
		`{}`:                                         "choice",
		`{"choice":"one","map":{"a":"b"}}`:           "map",
		`{"choice":"one","float":"1"}`:               "float",
		`{"choice":"one","float":1e999}`:             "float",
		`{"choice":"one","any":[]}`:                  "any",
		`{"choice":"one","list":[{"a":1},{"b":1}]}`:  "b",
		`{"choice":"one","list":[{"a":1},{"a":{}}]}`: "a",
		`{"choice":"one","list":[1]}`:                "list",
	} {
		c.callOther("Take", parameters)
		c.wantError(errInvalidParameter, `{"parameter":"`+field+`"}`)
	}
	c.callOther("Take", ` { "choice" : "tw\u006f" , "map" : { "a" : -1 } , "float" : 1.5e3 , "any" : {"x":[{}]} , "list" : [ { "a" : 0 } , { "a" : 1 } ] } `)
	if got := c.receive(); got.Error != "" {
		t.Errorf("reply is %s", got)
	}
}

func TestInterface_formerMethod(t *testing.T) {
	r := newRig(t, withOther)
	c := r.dial()
	c.callOther("Former", `{}`)
	c.wantError(errMethodNotImplemented, `{"method":"org.example.other.Former"}`)
}

func TestInterface_panic(t *testing.T) {
	r := newRig(t, withOther)
	c := r.dial()
	c.callOther("Panic", `{"late":false}`)
	c.wantError("org.example.other.Sorry", `{"reason":"the service failed on this call; its log says more"}`)
	c.alive()
	if log := r.logged.String(); !strings.Contains(log, "on purpose") || !strings.Contains(log, "interface_test.go") {
		t.Errorf("the log does not say where it panicked: %s", log)
	}
	c.callOther("Panic", `{"late":true}`)
	c.receive()
	c.wantClosed()
	r.dial().alive()
}

func TestInterface_forgottenCall(t *testing.T) {
	r := newRig(t, withOther)
	c := r.dial()
	c.callOther("Silent", `{}`)
	if got := c.receive(); got.Error != "org.example.other.Sorry" {
		t.Errorf("reply is %s", got)
	}
	c.alive()
}

func TestInterface_refusedInItsOwnWords(t *testing.T) {
	r := newRig(t, as(stranger), connections(100, 1), withOther)
	r.dial().alive()
	c := r.dial()
	c.callOther("Names", `{}`)
	if got := c.receive(); got.Error != "org.example.other.Sorry" {
		t.Errorf("reply is %s", got)
	}
	c.wantClosed()
}

func TestNew_interfaceThatCannotBeServed(t *testing.T) {
	unavailable := func(string) (string, any) { return "a.b.C", nil }
	for name, i := range map[string]Interface{
		"Without a way to be unavailable": {Dispatcher: &other{}},
		"With a description that is none": {Dispatcher: described{"org.example.x", "interface"}, Unavailable: unavailable},
		"With a type that is not declared": {
			Dispatcher: described{"org.example.x", "interface org.example.x\nmethod A(b: []C) -> ()"}, Unavailable: unavailable,
		},
		"With a name that is taken": {Dispatcher: described{eventsInterface, "interface io.podman.events\nmethod A() -> ()"}, Unavailable: unavailable},
	} {
		if _, err := New(Options{Core: core.New(feed.New(nil), nil, nil), Options: varlinkwire.Options{Interfaces: []Interface{i}}}); err == nil || !strings.HasPrefix(err.Error(), "cannot serve interface ") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("without a core there is no error")
	}
}

type described struct{ name, description string }

func (d described) VarlinkGetName() string        { return d.name }
func (d described) VarlinkGetDescription() string { return d.description }
func (d described) VarlinkDispatch(context.Context, varlink.Call, string) error {
	return nil
}
