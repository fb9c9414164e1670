package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

func TestHistory_allPages(t *testing.T) {
	f := newFake(t)
	f.add("a", "b", "c", "d", "e")
	h, err := f.client().History(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var got []events.Event
	for e, err := range h.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if h.Cursor() != e.Cursor {
			t.Errorf("the cursor after %s is %q, want %q", e.Name, h.Cursor(), e.Cursor)
		}
		got = append(got, e)
	}
	check(t, "events", names(got), "a b c d e")
	check(t, "cursor", h.Cursor(), "c5")
}

// History without events has a cursor.
func TestHistory_emptyHasCursor(t *testing.T) {
	f := newFake(t)
	h, err := f.client().History(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range h.All(t.Context()) {
		t.Error("there is an event")
	}
	check(t, "cursor", h.Cursor(), "c0")
}

func TestGetEvents_page(t *testing.T) {
	f := newFake(t)
	f.add("a", "b", "c", "d")
	c := f.client()
	page, err := c.GetEvents(t.Context(), Query{Filters: []string{"type=container"}, Limit: 7})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "first page", fmt.Sprint(names(page.Events), page.Cursor, page.Complete), "a b cc3false")
	page, err = c.GetEvents(t.Context(), Query{After: page.Cursor})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "second page", fmt.Sprint(names(page.Events), page.Cursor, page.Complete), "dc4true")
	check(t, "call", f.called()[0], `GetEvents {"filters":["type=container"],"limit":7}`)
}

// Calls share a connection and survive a restart of the service.
func TestCalls_serviceRestarts(t *testing.T) {
	f := newFake(t)
	c := f.client()
	for range 3 {
		if _, err := c.GetEvents(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	if n := len(f.conns); n != 1 {
		t.Errorf("three calls made %d connections", n)
	}
	f.mu.Unlock()
	f.kill()
	f.start()
	if _, err := c.GetEvents(t.Context(), Query{}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// WriteEvent is not sent twice.
func TestWriteEvent_notSentTwice(t *testing.T) {
	f := newFake(t)
	f.answer = func(conn net.Conn, method string, _ json.RawMessage) bool {
		if method == "WriteEvent" {
			conn.Close()
			return true
		}
		return false
	}
	c := f.client()
	if _, err := c.GetEvents(t.Context(), Query{}); err != nil {
		t.Fatal(err)
	}
	e := events.NewEvent(events.Create)
	e.Type = events.Volume
	_, err := c.WriteEvent(t.Context(), e)
	var lost *ConnectionError
	if !errors.As(err, &lost) || !lost.Lost {
		t.Errorf("the error is %v, want a *ConnectionError that is Lost", err)
	}
	if calls := f.called(); len(calls) != 2 {
		t.Errorf("the calls were %q", calls)
	}
}

func TestWriteEvent_everyField(t *testing.T) {
	f := newFake(t)
	var sent string
	f.answer = func(conn net.Conn, _ string, parameters json.RawMessage) bool {
		sent = string(parameters)
		send(conn, map[string]any{"cursor": "c9"}, false)
		return true
	}
	zero := 0
	e := events.Event{
		ContainerExitCode: &zero, ID: "i", Image: "im", Name: "n", Network: "net", Status: events.AutoUpdate,
		Time: time.Date(2026, 11, 23, 12, 44, 42, 5, time.UTC), Type: events.Container, HealthStatus: "hs", HealthLog: "hl",
		HealthFailingStreak: 2, Error: "er", Details: events.Details{PodID: "p", Attributes: map[string]string{"a": "b"}},
	}
	cursor, err := f.client().WriteEvent(t.Context(), e)
	if err != nil || cursor != "c9" {
		t.Fatalf("cursor %q, %v", cursor, err)
	}
	check(t, "parameters", sent, `{"event":{"type":"container","status":"auto_update","time":"2026-11-23T12:44:42.000000005Z",`+
		`"id":"i","name":"n","image":"im","podId":"p","network":"net","exitCode":0,"healthStatus":"hs","healthLog":"hl",`+
		`"healthFailingStreak":2,"error":"er","attributes":{"a":"b"}}}`)
}

// WriteEvent refuses what it cannot send.
func TestWriteEvent_refuses(t *testing.T) {
	c := NewDialer("nowhere", func(context.Context) (net.Conn, error) { return nil, errors.New("the service was called") })
	for name, e := range map[string]events.Event{
		"type":                 {Status: events.Create, Type: "gadget"},
		"status":               {Status: "respin", Type: events.Pod},
		"containerInspectData": {Status: events.Create, Type: events.Container, Details: events.Details{ContainerInspectData: "{}"}},
		"extra":                {Status: events.Create, Type: events.Container, Extra: map[string]json.RawMessage{"x": nil}},
	} {
		_, err := c.WriteEvent(t.Context(), e)
		var field *events.FieldError
		if !errors.As(err, &field) || field.Field != name {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// The error of a log without a match.
func TestLastEvent_none(t *testing.T) {
	f := newFake(t)
	f.refusal = `{"error":"io.podman.events.EventNotFound"}`
	if _, err := f.client().GetLastEvent(t.Context(), "id=x"); !errors.Is(err, events.ErrEventNotFound) {
		t.Errorf("the error is %v", err)
	}
}

// Status reads absent and present members.
func TestStatus_absentAndPresentMembers(t *testing.T) {
	f := newFake(t)
	f.refusal = `{"parameters":{"version":"1.0","backend":"file","oldest":null,"newest":"2026-11-23T12:44:42.000000005Z",` +
		`"eventsRead":1,"eventsWritten":2,"subscribers":3,"skipped":4,"fault":"f"}}`
	s, err := f.client().GetStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Status{
		Version: "1.0", Backend: events.LogFile, Newest: time.Date(2026, 11, 23, 12, 44, 42, 5, time.UTC),
		EventsRead: 1, EventsWritten: 2, Subscribers: 3, Skipped: 4, Fault: "f",
	}
	if *s != want {
		t.Errorf("got %+v, want %+v", *s, want)
	}
	check(t, "call", f.called()[0], "GetStatus {}")
}

func TestErrors_permission(t *testing.T) {
	f := newFake(t)
	f.refusal = `{"error":"org.varlink.service.PermissionDenied"}`
	_, err := f.client().GetStatus(t.Context())
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("the error is %v", err)
	}
}

// Errors of a connection say what to do.
func TestErrors_connectionSaysWhatToDo(t *testing.T) {
	c, err := New("unix:/nonexistent/socket")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetStatus(t.Context())
	var connection *ConnectionError
	if !errors.As(err, &connection) || connection.Lost || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	check(t, "text", err.Error(), "cannot connect to unix:/nonexistent/socket: no such file or directory; "+
		"is the service running? Start it with 'eventsvc serve', or name its address")
}

func TestClient_closed(t *testing.T) {
	f := newFake(t)
	c := f.client()
	if _, err := c.GetEvents(t.Context(), Query{}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := c.GetEvents(t.Context(), Query{}); !errors.Is(err, ErrClosed) {
		t.Errorf("the error is %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ address, want, problem string }{
		{address: "unix:/run/x", want: "/run/x"},
		{address: "unix:/run/x;mode=0600", want: "/run/x"},
		{address: "/run/x", want: "/run/x"},
		{address: "./x", want: "./x"},
		{address: "unix:", problem: "no path"},
		{address: "tcp:localhost", problem: "not an address"},
		{address: "unix:/" + strings.Repeat("x", 107), problem: "too long"},
	} {
		got, err := socketPath(test.address)
		if got != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: got %q, %v", test.address, got, err)
		}
	}
	if _, err := New("ssh-exec:-oProxyCommand=x"); err == nil {
		t.Error("a host that is an option of ssh is taken")
	}
}

func TestDefaultAddress(t *testing.T) {
	t.Setenv(AddressVariable, "unix:/elsewhere")
	check(t, "with the variable", DefaultAddress(), "unix:/elsewhere")
	c, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "source of the variable", c.AddressSource(), "from EVENTSVC_ADDRESS")
	_, err = c.GetStatus(t.Context())
	check(t, "error", err.Error(), "cannot connect to unix:/elsewhere (from EVENTSVC_ADDRESS): no such file or directory; "+
		"is the service running? Start it with 'eventsvc serve', or name its address")

	dir := t.TempDir()
	system := filepath.Join(dir, "system")
	own := filepath.Join(dir, socketName)
	find := func(when, want, wantSource string) {
		t.Helper()
		path, source := userSocket(dir, system)
		check(t, when, path, want)
		check(t, when, source, wantSource)
	}
	find("without any socket", own, ofUser)
	if err := os.WriteFile(system, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	find("with that of the system", system, insteadOfOwn)
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	find("with both", own, ofUser)
}

// bridgeVariable turns the test binary into a bridge to the socket it names.
const bridgeVariable = "EVENTSVC_TEST_BRIDGE"

func TestMain(m *testing.M) {
	if path := os.Getenv(bridgeVariable); path != "" {
		conn, err := net.Dial("unix", path)
		if err != nil {
			os.Exit(1)
		}
		go func() {
			io.Copy(conn, os.Stdin)
			os.Exit(0)
		}()
		io.Copy(os.Stdout, conn)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Service of another host is reached by SSH.
func TestDial_ssh(t *testing.T) {
	f := newFake(t)
	f.add("a")
	dir := t.TempDir()
	ssh := "#!/bin/sh\n[ \"$5 $6\" = 'host eventsvc bridge' ] && exec " + os.Args[0] + "\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(ssh), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv(bridgeVariable, f.path)
	c, err := New("ssh-exec:host")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	page, err := c.GetEvents(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "events", names(page.Events), "a")
	s := subscribe(t, c, SubscribeOptions{})
	f.add("b")
	check(t, "events", take(t, s, 1), "b")
	c, err = New("ssh-exec:host:false")
	if err != nil {
		t.Fatal(err)
	}
	var lost *ConnectionError
	if _, err := c.GetEvents(t.Context(), Query{}); !errors.As(err, &lost) {
		t.Errorf("with a command that fails the error is %v", err)
	}
}
