package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// patience is how long a test waits for what has to come. It is far more than
// that needs: running out of it is the failure.
const patience = 20 * time.Second

// rig is a server on a socket, with a log file after it.
type rig struct {
	t      testing.TB
	dir    string
	log    string // path of the log file
	logged *testkit.Buffer
	store  store.Store
	feed   *feed.Feed
	access *access.Policy
	server *Server
	path   string                      // of the socket
	peer   atomic.Pointer[access.Peer] // the identity of every client; nil: its own

	core       *core.Core
	interfaces []func(*core.Core) Interface // beside its own

	serving sync.WaitGroup
	stop    context.CancelFunc
	ended   bool
}

// newRig starts a server. change may change the options.
func newRig(t testing.TB, change ...func(*rig, *Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: testkit.ShortDir(t), logged: new(testkit.Buffer)}
	r.log = filepath.Join(r.dir, "events.log")
	log := slog.New(slog.NewTextHandler(r.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := logfile.Open(logfile.Options{Path: r.log})
	if err != nil {
		t.Fatal(err)
	}
	r.store = st
	r.start(change, log)
	return r
}

func (r *rig) start(change []func(*rig, *Options), log *slog.Logger) {
	r.t.Helper()
	r.feed = feed.New(r.store)
	r.access = access.NewPolicy(access.Allowed{}, access.Allowed{}, log)
	options := Options{Options: varlinkwire.Options{Version: "1.2.3", Logger: log}}
	for _, c := range change {
		c(r, &options)
	}
	options.Core = core.New(r.feed, r.access, log)
	for _, c := range r.interfaces {
		options.Interfaces = append(options.Interfaces, c(options.Core))
	}
	r.core = options.Core
	if r.peer.Load() != nil {
		options.Identify = func(*net.UnixConn) (varlinkwire.Peer, error) { return varlinkwire.Peer(*r.peer.Load()), nil }
	}
	var err error
	if r.server, err = New(options); err != nil {
		r.t.Fatal(err)
	}
	if err := r.feed.Start(); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.path = r.listen(ctx, "s")
	r.t.Cleanup(r.end)
}

// listen serves on one more socket. The options are as in ParseAddress.
func (r *rig) listen(ctx context.Context, address string) string {
	r.t.Helper()
	l, err := varlinkwire.Listen("unix:" + filepath.Join(r.dir, address))
	if err != nil {
		r.t.Fatal(err)
	}
	r.serving.Go(func() {
		if err := r.server.Serve(ctx, l); err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
	return l.Path()
}

// open returns how many connections are open.
func (r *rig) open() int {
	n, _, _ := r.server.Connections()
	return n
}

// shutdown stops the server and waits for it.
func (r *rig) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := r.server.Shutdown(ctx)
	r.serving.Wait()
	return err
}

func (r *rig) end() {
	if r.ended {
		return
	}
	r.ended = true
	if err := r.shutdown(); err != nil {
		r.t.Errorf("Shutdown: %v", err)
	}
	r.stop()
	r.feed.Close()
	r.store.Close()
}

// write appends events to the store, as a program beside the service would.
func (r *rig) write(batch ...events.Event) []string {
	r.t.Helper()
	cursors, err := store.Cursors(r.store.Append(context.Background(), batch))
	if err != nil {
		r.t.Fatal(err)
	}
	return cursors
}

// firstTime is the time of the first of the events that event makes.
var firstTime = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

// event returns the n-th event: a container of the name cN, created n seconds
// after firstTime.
func event(n int) events.Event {
	return events.Event{
		ID: fmt.Sprintf("%064x", n), Name: fmt.Sprintf("c%d", n), Image: "docker.io/library/alpine:latest",
		Status: events.Create, Type: events.Container, Time: firstTime.Add(time.Duration(n) * time.Second),
	}
}

func eventList(from, to int) []events.Event {
	var list []events.Event
	for n := from; n < to; n++ {
		list = append(list, event(n))
	}
	return list
}

// as lets the server take every peer for the given one.
func as(peer access.Peer) func(*rig, *Options) {
	return func(r *rig, o *Options) {
		r.access = &access.Policy{Self: 990, Log: o.Logger}
		r.peer.Store(&peer)
	}
}

// client is the other end of a connection, with nothing between the test and
// the bytes.
type client struct {
	t    testing.TB
	conn *net.UnixConn
	in   *bufio.Reader
}

func (r *rig) dial() *client { return dial(r.t, r.path) }

func dial(t testing.TB, path string) *client {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn.(*net.UnixConn))
}

func newClient(t testing.TB, conn *net.UnixConn) *client {
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

// send sends frames, each with its NUL.
func (c *client) send(frames ...string) {
	c.t.Helper()
	for _, frame := range frames {
		if _, err := io.WriteString(c.conn, frame+"\x00"); err != nil {
			c.t.Fatalf("cannot send %.100q: %v", frame, err)
		}
	}
}

// call sends a call of io.podman.events.
func (c *client) call(method, parameters string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"method":"io.podman.events.%s","parameters":%s}`, method, parameters))
}

func (c *client) callMore(method, parameters string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"method":"io.podman.events.%s","parameters":%s,"more":true}`, method, parameters))
}

// reply is a reply as a test reads it.
type reply struct {
	Error      string
	Continues  bool
	Parameters map[string]any
	frame      string
}

func (r reply) String() string { return r.frame }

// name returns the name of the event, "" if there is no event.
func (r reply) name() string {
	event, _ := r.Parameters["event"].(map[string]any)
	name, _ := event["name"].(string)
	return name
}

func (r reply) cursor() string {
	cursor, _ := r.Parameters["cursor"].(string)
	return cursor
}

// names returns the names of the events of a page.
func (r reply) names() []string {
	names := []string{}
	list, _ := r.Parameters["events"].([]any)
	for _, e := range list {
		name, _ := e.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

func (c *client) receive() reply {
	c.t.Helper()
	r, err := c.tryReceive()
	if err != nil {
		c.t.Fatalf("cannot receive a reply: %v", err)
	}
	return r
}

func (c *client) tryReceive() (reply, error) {
	frame, err := c.in.ReadString(0)
	if err != nil {
		return reply{}, err
	}
	frame = strings.TrimSuffix(frame, "\x00")
	r := reply{frame: frame}
	decoder := json.NewDecoder(strings.NewReader(frame))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, fmt.Errorf("reply %.200q: %w", frame, err)
	}
	return r, nil
}

// ask sends a call and receives its reply.
func (c *client) ask(method, parameters string) reply {
	c.t.Helper()
	c.call(method, parameters)
	return c.receive()
}

// wantError receives an error reply. parameters are JSON.
func (c *client) wantError(name, parameters string) {
	c.t.Helper()
	r := c.receive()
	if r.Error != name || !equalJSON(c.t, r.Parameters, parameters) {
		c.t.Errorf("reply is %s, want %s %s", r, name, parameters)
	}
}

func equalJSON(t testing.TB, got any, want string) bool {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(got, w)
}

// wantClosed waits for the server to close the connection, having sent nothing
// more.
func (c *client) wantClosed() {
	c.t.Helper()
	if r, err := c.tryReceive(); err == nil {
		c.t.Errorf("reply is %s, want the end of the connection", r)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection is still open")
	}
}

// alive makes sure that the connection still answers.
func (c *client) alive() {
	c.t.Helper()
	c.send(`{"method":"org.varlink.service.GetInfo"}`)
	if r := c.receive(); r.Parameters["product"] != "eventsvc" {
		c.t.Errorf("reply is %s, want that of GetInfo", r)
	}
}

// stranger is a user who may read its own events only.
var stranger = access.Peer{UID: uint32(os.Getuid()) + 1234, GID: 1234, PID: 77}

// eventually waits for what happens elsewhere and cannot be awaited otherwise.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
