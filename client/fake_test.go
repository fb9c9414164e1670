package client

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// fake is a service whose log is in memory and whose every move the test
// decides. Cursors are "c" and the number of events in front.
type fake struct {
	t    *testing.T
	path string

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced with every change
	log      []iopodmanevents.Event
	oldest   int // the number of events that are gone
	refusal  string
	calls    []string
	listener net.Listener
	conns    map[net.Conn]bool
	stopping bool
	killed   bool
	done     sync.WaitGroup
	// answer may take a call over; nil or false leaves it to the fake.
	answer func(conn net.Conn, method string, parameters json.RawMessage) bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	dir, err := os.MkdirTemp("", "ev") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, path: filepath.Join(dir, "s"), changed: make(chan struct{})}
	f.start()
	t.Cleanup(func() {
		f.kill()
		os.RemoveAll(dir)
	})
	return f
}

func (f *fake) start() {
	f.t.Helper()
	listener, err := net.Listen("unix", f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	f.listener, f.conns, f.stopping, f.killed = listener, make(map[net.Conn]bool), false, false
	f.mu.Unlock()
	f.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[conn] = !f.killed
			if f.killed {
				conn.Close() // accepted just before
			}
			f.mu.Unlock()
			f.done.Go(func() { f.serve(conn) })
		}
	})
}

// kill ends all connections without a reply, as SIGKILL would.
func (f *fake) kill() {
	f.mu.Lock()
	f.killed = true
	f.listener.Close()
	for conn := range f.conns {
		conn.Close()
	}
	clear(f.conns)
	f.broadcast()
	f.mu.Unlock()
	f.done.Wait()
}

// shutDown notifies subscribers that the service is stopping, and stops.
func (f *fake) shutDown() {
	f.mu.Lock()
	f.stopping = true
	f.listener.Close()
	f.broadcast()
	f.mu.Unlock()
	timer := time.AfterFunc(100*time.Millisecond, f.hangUp)
	defer timer.Stop()
	f.done.Wait()
}

// hangUp closes the connections that clients keep open.
func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
	}
}

func (f *fake) broadcast() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// add appends events with the given names.
func (f *fake) add(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		id := strings.Repeat("0", 60) + fmt.Sprintf("%04d", len(f.log))
		f.log = append(f.log, iopodmanevents.Event{
			Cursor: cursorOf(len(f.log) + 1), Time: "2026-11-23T12:44:42.260041044Z", TimestampUSec: 1795437882260041,
			Type: "container", Status: "create", Id: &id, Name: &name,
			Attributes: &map[string]string{"a": "b", "q": "x=y <&>"},
		})
	}
	f.broadcast()
}

// forget drops all events but the last n from the store.
func (f *fake) forget(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.oldest = len(f.log) - n
}

func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func cursorOf(n int) string { return "c" + strconv.Itoa(n) }

func (f *fake) client() *Client {
	f.t.Helper()
	c, err := New("unix:" + f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		frame, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var call struct {
			Method     string
			Parameters json.RawMessage
			More       bool
		}
		if err := json.Unmarshal(frame[:len(frame)-1], &call); err != nil {
			f.t.Errorf("the client sent %q: %v", frame, err)
			return
		}
		method := strings.TrimPrefix(call.Method, "io.podman.events.")
		f.mu.Lock()
		f.calls = append(f.calls, method+" "+string(call.Parameters))
		answer := f.answer
		refusal := f.refusal
		f.mu.Unlock()
		switch {
		case answer != nil && answer(conn, method, call.Parameters):
		case refusal != "":
			fmt.Fprintf(conn, "%s\x00", refusal)
		case method == "Subscribe":
			f.subscribe(conn, call.Parameters)
		case method == "GetEvents":
			f.getEvents(conn, call.Parameters, call.More)
		default:
			fmt.Fprintf(conn, `{"error":"org.varlink.service.MethodNotFound","parameters":{"method":%q}}`+"\x00", call.Method)
		}
	}
}

func send(conn net.Conn, parameters any, continues bool) bool {
	text, err := json.Marshal(map[string]any{"parameters": parameters, "continues": continues})
	if err != nil {
		panic(err)
	}
	_, err = conn.Write(append(text, 0))
	return err == nil
}

func sendError(conn net.Conn, name string, parameters any) {
	text, _ := json.Marshal(map[string]any{"error": "io.podman.events." + name, "parameters": parameters})
	conn.Write(append(text, 0))
}

// begin finds where a call begins; false if it has been answered.
func (f *fake) begin(conn net.Conn, after string) (int, bool) {
	if after == "" {
		return f.oldest, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(after, "c"))
	switch {
	case err != nil:
		sendError(conn, "InvalidCursor", map[string]string{"cursor": after, "reason": "it is none"})
		return 0, false
	case n < f.oldest || n > len(f.log):
		sendError(conn, "CursorExpired", map[string]string{"oldest": cursorOf(f.oldest)})
		return 0, false
	}
	return n, true
}

func (f *fake) subscribe(conn net.Conn, parameters json.RawMessage) {
	var p subscribeParameters
	json.Unmarshal(parameters, &p)
	f.mu.Lock()
	pos, ok := f.begin(conn, p.After)
	if !ok {
		f.mu.Unlock()
		return
	}
	if p.After == "" && !p.FromStart && p.Since == "" && p.Until == "" {
		pos = len(f.log)
	}
	f.mu.Unlock()
	send(conn, map[string]any{"ready": true, "cursor": cursorOf(pos)}, true)
	live := false
	for {
		f.mu.Lock()
		changed, stopping, open := f.changed, f.stopping, f.conns[conn]
		log := f.log
		f.mu.Unlock()
		if !open {
			return
		}
		for ; pos < len(log); pos++ {
			if !send(conn, map[string]any{"event": log[pos], "cursor": cursorOf(pos + 1)}, true) {
				return
			}
		}
		if !live {
			live = true
			send(conn, map[string]any{"live": true, "cursor": cursorOf(pos)}, true)
			if p.Until != "" {
				send(conn, map[string]any{"cursor": cursorOf(pos)}, false)
				return
			}
		}
		if stopping {
			sendError(conn, "ShuttingDown", map[string]any{"cursor": cursorOf(pos)})
			return
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			return
		}
	}
}

// fakePage is small, so that a few events make several pages.
const fakePage = 3

func (f *fake) getEvents(conn net.Conn, parameters json.RawMessage, more bool) {
	var p Query
	json.Unmarshal(parameters, &p)
	f.mu.Lock()
	defer f.mu.Unlock()
	pos, ok := f.begin(conn, p.After)
	if !ok {
		return
	}
	for {
		end := min(pos+fakePage, len(f.log))
		complete := end == len(f.log)
		page := append([]iopodmanevents.Event{}, f.log[pos:end]...)
		send(conn, map[string]any{"events": page, "cursor": cursorOf(end), "complete": complete}, more && !complete)
		if pos = end; !more || complete {
			return
		}
	}
}

// names returns the names of events, as what a test compares.
func names(list []events.Event) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Name)
	}
	return strings.Join(out, " ")
}
