package service

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/test/testkit"
)

const getInfo = `{"method":"org.varlink.service.GetInfo"}`

func TestCall_inTwoPieces(t *testing.T) {
	r := newRig(t)
	r.write(event(0))
	c := r.dial()
	const call = `{"method":"io.podman.events.GetLastEvent","parameters":{"filters":["name=c0"]}}` + "\x00"
	for i := 1; i < len(call); i++ {
		for _, piece := range []string{call[:i], call[i:]} {
			if _, err := io.WriteString(c.conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.receive(); got.name() != "c0" {
			t.Fatalf("split at byte %d the call is answered with %s", i, got)
		}
	}
}

func TestCall_byteByByte(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for _, b := range []byte(getInfo + "\x00" + getInfo + "\x00") {
		if _, err := c.conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	c.receive()
	c.receive()
	c.alive()
}

func TestCall_inOneGo(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 100)...)
	c := r.dial()
	const calls = 1000
	go func() {
		var all strings.Builder
		for n := range calls {
			fmt.Fprintf(&all, `{"method":"io.podman.events.GetLastEvent","parameters":{"filters":["name=c%d"]}}`+"\x00", n%100)
			// In between one that asks for no answer.
			all.WriteString(`{"method":"io.podman.events.GetStatus","oneway":true}` + "\x00")
		}
		_, _ = io.WriteString(c.conn, all.String())
	}()
	for n := range calls {
		if got, want := c.receive().name(), fmt.Sprintf("c%d", n%100); got != want {
			t.Fatalf("reply %d has event %q, want %q", n, got, want)
		}
	}
	c.alive()
}

func TestCall_afterAStream(t *testing.T) {
	r := newRig(t)
	r.write(event(0))
	c := r.dial()
	c.send(`{"method":"io.podman.events.Subscribe","parameters":{"until":"2100-01-01","filters":["name=x"]},"more":false}`,
		`{"method":"io.podman.events.Subscribe","parameters":{"until":"now"},"more":true}`,
		`{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
	c.wantError(errExpectedMore, `{}`)
	c.wantMark(true, false, true)
	c.wantEvents("c0")
	c.wantMark(false, false, false)
	if got := c.receive(); got.name() != "c0" {
		t.Errorf("reply is %s, want that of GetLastEvent", got)
	}
}

func TestStream_halfClosed(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send(getInfo, `{"method":"io.podman.events.Subscribe","parameters":{"until":"1s"},"more":true}`, getInfo)
	if err := c.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.receive()
	c.wantMark(true, false, true)
	c.wantMark(false, true, true)
	e := event(1)
	e.Time = time.Now()
	r.write(e)
	c.wantEvents("c1")
	c.wantMark(false, false, false)
	if got := c.receive(); got.Parameters["product"] != "eventsvc" {
		t.Errorf("reply is %s, want that of GetInfo", got)
	}
	c.wantClosed()
}

func TestStream_clientGone(t *testing.T) {
	r := newRig(t)
	for _, parameters := range []string{`{}`, `{"fromStart":true}`, `{"heartbeatSec":3600}`, `{"filters":["name=nothing"]}`} {
		c := r.dial()
		c.callMore("Subscribe", parameters)
		c.receive()
		c.conn.Close()
		eventually(t, "the subscription has ended", func() bool { return r.feed.Subscribers() == 0 })
	}
}

func TestStream_halfClosedThenGone(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.callMore("Subscribe", `{}`)
	c.wantMark(true, true, true)
	if err := c.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r.write(event(0))
	c.wantEvents("c0")
	c.conn.Close()
	eventually(t, "the subscription has ended", func() bool { return r.feed.Subscribers() == 0 })
}

func TestCall_invalid(t *testing.T) {
	r := newRig(t)
	deep := strings.Repeat("[", limits.Depth) + strings.Repeat("]", limits.Depth)
	for _, test := range []struct{ name, frame string }{
		{"An empty frame", ``},
		{"Garbage", `GET / HTTP/1.1`},
		{"An array", `[]`},
		{"A string", `"io.podman.events.GetStatus"`},
		{"null", `null`},
		{"An object without an end", `{"method":"org.varlink.service.GetInfo"`},
		{"Something after the object", `{"method":"org.varlink.service.GetInfo"} {}`},
		{"Invalid UTF-8", "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"a\":\"\xff\"}}"},
		{"A control character in a string", "{\"method\":\"org.varlink\n.service.GetInfo\"}"},
		{"Deep nesting", `{"method":"org.varlink.service.GetInfo","parameters":{"a":` + deep + `}}`},
		{"A method that comes twice", `{"method":"org.varlink.service.GetInfo","method":"org.varlink.service.GetInfo"}`},
		{"A method that comes twice, once escaped", `{"method":"org.varlink.service.GetInfo","\u006dethod":"a.b"}`},
		{"Parameters that come twice", `{"method":"org.varlink.service.GetInfo","parameters":{},"parameters":{}}`},
		{"Both more and oneway", `{"method":"org.varlink.service.GetInfo","more":true,"oneway":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, r.path)
			c.send(test.frame + "\x00" + getInfo)
			c.wantClosed()
		})
	}
	r.dial().alive()
}

func TestCall_refusedWithoutEndingTheConnection(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for _, test := range []struct{ frame, name, parameters string }{
		{`{}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":null}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":7}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":""}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":"GetInfo"}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":".GetInfo"}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":"org.varlink.service."}`, errInvalidParameter, `{"parameter":"method"}`},
		{`{"method":"org.example.nope.Get"}`, errInterfaceNotFound, `{"interface":"org.example.nope"}`},
		{`{"method":"io.podman.Events.GetStatus"}`, errInterfaceNotFound, `{"interface":"io.podman.Events"}`},
		{`{"method":"io.podman.events.Nope"}`, errMethodNotFound, `{"method":"io.podman.events.Nope"}`},
		{`{"method":"io.podman.events.getstatus"}`, errMethodNotFound, `{"method":"io.podman.events.getstatus"}`},
		{`{"method":"org.varlink.service.Nope"}`, errMethodNotFound, `{"method":"org.varlink.service.Nope"}`},
		{`{"method":"io.podman.events.GetStatus\u0022,\u0022x\u0022:\u0022"}`, errMethodNotFound, `{"method":"io.podman.events.GetStatus\",\"x\":\""}`},
		{`{"method":"io.podman.events.GetStatus","parameters":[]}`, errInvalidParameter, `{"parameter":"parameters"}`},
		{`{"method":"io.podman.events.GetStatus","parameters":"{}"}`, errInvalidParameter, `{"parameter":"parameters"}`},
		{`{"method":"io.podman.events.GetStatus","parameters":false}`, errInvalidParameter, `{"parameter":"parameters"}`},
		{`{"method":"io.podman.events.GetStatus","more":1}`, errInvalidParameter, `{"parameter":"more"}`},
		{`{"method":"io.podman.events.GetStatus","oneway":"no"}`, errInvalidParameter, `{"parameter":"oneway"}`},
		{`{"method":"io.podman.events.GetStatus","upgrade":true}`, errInvalidParameter, `{"parameter":"upgrade"}`},
		{`{"method":"io.podman.events.GetStatus","parameters":{"verbose":true}}`, errInvalidParameter, `{"parameter":"verbose"}`},
	} {
		c.send(test.frame)
		got := c.receive()
		if got.Error != test.name || !equalJSON(t, got.Parameters, test.parameters) || got.Continues {
			t.Errorf("%s is answered with %s, want %s %s", test.frame, got, test.name, test.parameters)
		}
	}
	c.alive()
}

func TestCall_nullAndUnknownMembers(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	for _, frame := range []string{
		`{"method":"io.podman.events.GetStatus"}`,
		`{"method":"io.podman.events.GetStatus","parameters":null}`,
		`{"method":"io.podman.events.GetStatus","parameters":{},"more":false,"oneway":false,"upgrade":false}`,
		`{"method":"io.podman.events.GetStatus","more":null,"oneway":null,"upgrade":null}`,
		` {"parameters" : { } , "method" : "io.podman.events.GetStatus" , "future":{"a":[1,{"b":"}"}]}} `,
		`{"method":"io.podman.events.GetStatus","more":true}`,
		`{"METHOD":"io.podman.events.Nope","method":"io.podman.events.GetStatus","Parameters":{"a":1}}`,
		`{"\u006dethod":"io.podman.events.\u0047etStatus"}`,
	} {
		c.send(frame)
		if got := c.receive(); got.Error != "" || got.Parameters["backend"] != "file" || got.Continues {
			t.Errorf("%s is answered with %s", frame, got)
		}
	}
}

func TestCall_onewayIsNeverAnswered(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send(
		`{"oneway":true}`,
		`{"method":"GetInfo","oneway":true}`,
		`{"method":"a.b.C","oneway":true}`,
		`{"method":"io.podman.events.Nope","oneway":true}`,
		`{"method":"io.podman.events.GetStatus","oneway":true,"parameters":{"a":1}}`,
		`{"method":"io.podman.events.GetStatus","oneway":true}`,
		`{"method":"io.podman.events.GetEvents","oneway":true}`,
		`{"method":"io.podman.events.GetLastEvent","oneway":true}`,
		`{"method":"io.podman.events.WriteEvent","oneway":true,"parameters":{"event":{"type":"unknown","status":"create"}}}`,
		`{"method":"org.varlink.service.GetInfo","oneway":true}`,
	)
	c.alive()
}

func TestFrame_greatestLength(t *testing.T) {
	r := newRig(t)
	const empty = `{"method":"org.varlink.service.GetInfo","pad":""}`
	c := r.dial()
	c.send(strings.Replace(empty, `""`, `"`+strings.Repeat("x", limits.Request-len(empty))+`"`, 1))
	if got := c.receive(); got.Error != "" {
		t.Errorf("reply is %s", got)
	}
	c.alive()
	for _, tail := range []string{"\x00", ""} {
		c := r.dial()
		go io.WriteString(c.conn, strings.Replace(empty, `""`, `"`+strings.Repeat("x", limits.Request-len(empty)+1)+`"`, 1)+tail)
		c.wantError(errInvalidParameter, `{"parameter":"parameters"}`)
		c.wantClosed()
	}
}

func TestFrame_withoutEnd(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	go func() {
		chunk := make([]byte, 64<<10)
		for i := range chunk {
			chunk[i] = ' '
		}
		for range 1024 {
			if _, err := c.conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	c.wantError(errInvalidParameter, `{"parameter":"parameters"}`)
	c.wantClosed()
}

func TestFrame_unfinishedRequestsOfAUser(t *testing.T) {
	r := newRig(t, as(stranger))
	half := strings.Repeat(" ", limits.Request/2)
	var clients []*client
	refused := 0
	for range 2*limits.RequestMemoryPerUID/(limits.Request/2) + 8 {
		c := r.dial()
		clients = append(clients, c)
		if _, err := io.WriteString(c.conn, half); err != nil {
			refused++
		}
	}
	eventually(t, "a client is refused", func() bool {
		for _, c := range clients {
			_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if got, err := c.tryReceive(); err == nil {
				if got.Error != "io.podman.events.BackendUnavailable" {
					t.Fatalf("reply is %s", got)
				}
				return true
			}
		}
		return false
	})
	// What was unfinished is finished, and the memory is free again.
	for _, c := range clients {
		c.conn.Close()
	}
	eventually(t, "the memory is free", func() bool {
		return r.open() == 0
	})
	c := r.dial()
	c.send(half + getInfo)
	c.receive()
}

func TestGetInfo_sortedInterfaces(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send(getInfo)
	got := c.receive()
	if !equalJSON(t, got.Parameters, `{"vendor":"eventsvc","product":"eventsvc","version":"1.2.3",
		"url":"https://github.com/eventsvc/eventsvc","interfaces":["io.podman.events","io.systemd.service","org.varlink.service"]}`) {
		t.Errorf("reply is %s", got)
	}
}

func TestDescription_isTheContract(t *testing.T) {
	contract, err := os.ReadFile("../io.podman.events.varlink")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	c := r.dial()
	describe := func(iface string) reply {
		c.send(`{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"` + iface + `"}}`)
		return c.receive()
	}
	if got := describe(eventsInterface); got.Parameters["description"] != string(contract) {
		t.Errorf("the description differs from the contract: %.300s", got)
	}
	if text, _ := describe(serviceInterface).Parameters["description"].(string); !strings.Contains(text, "\ninterface "+serviceInterface+"\n") {
		t.Errorf("reply is %s", text)
	}
	if got := describe("io.nope"); got.Error != errInterfaceNotFound || got.Parameters["interface"] != "io.nope" {
		t.Errorf("reply is %s", got)
	}
	for parameters, field := range map[string]string{`{}`: "interface", `{"interface":1}`: "interface", `{"interface":"a","b":1}`: "b"} {
		c.send(`{"method":"org.varlink.service.GetInterfaceDescription","parameters":` + parameters + `}`)
		c.wantError(errInvalidParameter, `{"parameter":"`+field+`"}`)
	}
}

func TestServeConn_servesAndCloses(t *testing.T) {
	r := newRig(t)
	ours, theirs := testkit.SocketPair(t)
	served := make(chan error)
	go func() { served <- r.server.ServeConn(t.Context(), theirs) }()
	c := newClient(t, ours)
	c.alive()
	c.conn.Close()
	if err := <-served; err != nil {
		t.Errorf("ServeConn: %v", err)
	}
	if _, err := theirs.Write([]byte{0}); err == nil {
		t.Error("the connection is still open")
	}
}
