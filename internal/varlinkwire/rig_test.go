package varlinkwire

import (
	"bufio"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// patience is how long a test waits for what has to come. It is far more than
// that needs: running out of it is the failure.
const patience = 20 * time.Second

// rig is a server on a socket.
type rig struct {
	t      testing.TB
	dir    string
	path   string // of the socket
	server *Server

	serving sync.WaitGroup
	ended   bool
}

// silent is an interface whose one method says nothing.
type silent struct{}

func (silent) VarlinkGetName() string { return "org.example.silent" }
func (silent) VarlinkGetDescription() string {
	return "# Says nothing\ninterface org.example.silent\nmethod Nothing() -> ()"
}
func (silent) VarlinkDispatch(context.Context, varlink.Call, string) error { return nil }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: testkit.ShortDir(t)}
	var err error
	r.server, err = New(Options{Product: "rig", Interfaces: []Interface{{
		Dispatcher: silent{}, Unavailable: func(string) (string, any) { return "org.example.silent.No", nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("unix:" + filepath.Join(r.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	r.path = l.Path()
	r.serving.Go(func() {
		if err := r.server.Serve(context.Background(), l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(r.end)
	return r
}

func (r *rig) end() {
	if r.ended {
		return
	}
	r.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		r.t.Errorf("Shutdown: %v", err)
	}
	r.serving.Wait()
}

// client is the other end of a connection.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) dial() *client { return dial(r.t, r.path) }

func dial(t testing.TB, path string) *client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

// alive makes sure that the connection answers.
func (c *client) alive() {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, `{"method":"org.varlink.service.GetInfo"}`+"\x00"); err != nil {
		c.t.Fatal(err)
	}
	if reply, err := c.in.ReadString(0); err != nil || !strings.Contains(reply, `"product":"rig"`) {
		c.t.Fatalf("reply is %s, %v", reply, err)
	}
}
