package varlinkwire

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// notes is an interface with a method whose calls are answered together, and one
// that is not.
type notes struct{ panics bool }

func (notes) VarlinkGetName() string { return "org.example.notes" }
func (notes) VarlinkGetDescription() string {
	return "# Notes\ninterface org.example.notes\nmethod Note(number: int) -> (number: int, of: int)\nmethod Ask() -> ()"
}

func (n notes) VarlinkDispatch(_ context.Context, c varlink.Call, method string) error {
	call := CallOf(c.Conn)
	if method == "Ask" {
		return call.replyParameters(struct{}{})
	}
	var in struct {
		Number int `json:"number"`
	}
	if err := c.GetParameters(&in); err != nil {
		return err
	}
	type note struct {
		call   *Call
		number int
	}
	return call.Later(note{call, in.Number}, func(items []any) error {
		for i, item := range items {
			if n.panics && i == len(items)-1 {
				panic("on purpose")
			}
			text := fmt.Sprintf(`{"parameters":{"number":%d,"of":%d}}`, item.(note).number, len(items))
			if err := item.(note).call.WriteFrame([]byte(text + "\x00")); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestCall_Later sends calls in one write. Each is answered in its turn, those that
// lie next to each other together, whatever comes after them.
func TestCall_Later(t *testing.T) {
	const ask = `{"method":"org.example.notes.Ask"}`
	note := func(number int, rest string) string {
		return fmt.Sprintf(`{"method":"org.example.notes.Note","parameters":{"number":%d}%s}`, number, rest)
	}
	reply := func(number, of int) string { return fmt.Sprintf(`{"parameters":{"number":%d,"of":%d}}`, number, of) }
	for name, c := range map[string]struct {
		panics   bool
		calls    []string
		want     []string
		isClosed bool // by the service
	}{
		"one":            {calls: []string{note(1, "")}, want: []string{reply(1, 1)}},
		"several":        {calls: []string{note(1, ""), note(2, ""), note(3, "")}, want: []string{reply(1, 3), reply(2, 3), reply(3, 3)}},
		"another method": {calls: []string{note(1, ""), note(2, ""), ask, note(3, "")}, want: []string{reply(1, 2), reply(2, 2), `{"parameters":{}}`, reply(3, 1)}},
		"one is wrong": {
			calls: []string{note(1, ""), `{"method":"org.example.notes.Note"}`, note(3, "")},
			want:  []string{reply(1, 1), `{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"number"}}`, reply(3, 1)},
		},
		"one wants no reply": {calls: []string{note(1, ""), note(2, `,"oneway":true`), note(3, "")}, want: []string{reply(1, 3), reply(3, 3)}},
		"then no call":       {calls: []string{note(1, ""), note(2, ""), "nonsense"}, want: []string{reply(1, 2), reply(2, 2)}, isClosed: true},
		"the last panics": {
			panics: true, calls: []string{note(1, "")},
			want: []string{`{"error":"org.example.notes.No","parameters":{}}`},
		},
		"the last of several panics": {panics: true, calls: []string{note(1, ""), note(2, "")}, want: []string{reply(1, 2)}, isClosed: true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := serveNotes(t, notes{c.panics})
			if _, err := conn.Write([]byte(strings.Join(c.calls, "\x00") + "\x00")); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			for i, want := range c.want {
				if got, err := in.ReadString(0); err != nil || got != want+"\x00" {
					t.Fatalf("reply %d is %q, %v; want %q", i, got, err, want)
				}
			}
			if c.isClosed {
				if got, err := in.ReadString(0); err == nil {
					t.Fatalf("one more: %q", got)
				}
			}
		})
	}
}

// serveNotes serves the interface, and returns a connection to it.
func serveNotes(t *testing.T, n notes) net.Conn {
	t.Helper()
	s, err := New(Options{
		Interfaces: []Interface{{Dispatcher: n, Unavailable: func(string) (string, any) { return "org.example.notes.No", nil }}},
		Logger:     slog.New(slog.DiscardHandler),
		Guard: func(_ string, _ *Peer, call func()) (panicked bool) {
			defer func() { panicked = recover() != nil }()
			call()
			return false
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("unix:" + filepath.Join(testkit.ShortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), l) }()
	conn, err := net.Dial("unix", l.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}
