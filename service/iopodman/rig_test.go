package iopodman_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/service"
	"github.com/eventsvc/eventsvc/service/iopodman"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// patience is how long a test waits for what has to come. It is far more than
// that needs: running out of it is the failure.
const patience = time.Minute

// rig is the real service on a socket, with a real log file after it.
type rig struct {
	t      testing.TB
	dir    string
	log    string // path of the log file
	path   string // of the socket
	store  store.Store
	feed   *feed.Feed
	server *varlinkwire.Server

	serving sync.WaitGroup
	ended   bool
}

// newRig starts a service whose log holds the lines.
func newRig(t testing.TB, lines ...string) *rig {
	t.Helper()
	r := newRoom(t)
	if len(lines) > 0 {
		r.append(lines...)
	}
	r.serveLog()
	return r
}

// newRoom makes a rig without a service.
func newRoom(t testing.TB) *rig {
	t.Helper()
	dir := testkit.ShortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, dir: dir, log: filepath.Join(dir, "events.log")}
}

// serveLog starts the service on the log file.
func (r *rig) serveLog() {
	r.t.Helper()
	st, err := logfile.Open(logfile.Options{Path: r.log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(st)
}

// serve starts the service on a store.
func (r *rig) serve(st store.Store) {
	r.t.Helper()
	r.store, r.feed = st, feed.New(st)
	c := core.New(r.feed, nil, nil)
	options := service.Options{Core: c, Options: varlinkwire.Options{
		Version: "1.2.3", Interfaces: []varlinkwire.Interface{iopodman.New(c, "1.2.3")},
	}}
	var err error
	if r.server, err = service.New(options); err != nil {
		r.t.Fatal(err)
	}
	if err := r.feed.Start(); err != nil {
		r.t.Fatal(err)
	}
	l, err := varlinkwire.Listen("unix:" + filepath.Join(r.dir, "s") + ",mode=0666")
	if err != nil {
		r.t.Fatal(err)
	}
	r.path = l.Path()
	r.serving.Go(func() {
		if err := r.server.Serve(context.Background(), l); err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
	r.t.Cleanup(r.stop)
}

// stop ends the service as the daemon does.
func (r *rig) stop() {
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
	r.feed.Close()
	r.store.Close()
}

// append adds lines to the log, as Podman does.
func (r *rig) append(lines ...string) {
	r.t.Helper()
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, strings.Join(lines, "\n")+"\n"); err != nil {
		r.t.Fatal(err)
	}
}

// dial makes a connection that is not given up before the test is.
func (r *rig) dial() *net.UnixConn {
	r.t.Helper()
	conn, err := net.Dial("unix", r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

// entry is a line of the log as parsed in these tests, with only the standard library.
type entry struct {
	ID, Image, Name, Status, Time, Type string
}

func parse(t testing.TB, line string) entry {
	t.Helper()
	var e entry
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

// The words that podman-remote 1.3 to 1.9.3 takes.
var (
	knownTypes    = strings.Fields("container image pod volume system")
	knownStatuses = strings.Fields("attach checkpoint cleanup commit create died exec export history import init kill " +
		"loadfromarchive mount pause prune pull push refresh remove renumber restart restore save start stop sync tag " +
		"unmount unpause untag")
)

// isKnown reports whether an old client takes the event.
func (e entry) isKnown() bool {
	return slices.Contains(knownTypes, e.Type) && slices.Contains(knownStatuses, e.Status)
}

// human is what an old client prints for the event.
func (e entry) human(t testing.TB) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, e.Time)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s %s %s", at, e.Type, e.Status)
	switch e.Type {
	case "container", "pod":
		return line + fmt.Sprintf(" %s (image=%s, name=%s)", e.ID, e.Image, e.Name)
	case "image":
		return line + fmt.Sprintf(" %s %s", e.ID, e.Name)
	case "volume":
		return line + " " + e.Name
	}
	return line
}

// printed is what an old client prints for those of the lines that it is shown
// and that the test wants.
func printed(t testing.TB, lines []string, want func(entry) bool) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		if e := parse(t, line); e.isKnown() && want(e) {
			b.WriteString(e.human(t) + "\n")
		}
	}
	return b.String()
}

func all(entry) bool { return true }

// container makes the line of the n-th of a number of events: of a container cN,
// n seconds after noon.
func container(n int, status string) string {
	at := time.Date(2020, 5, 22, 12, 0, 0, 123456789, time.UTC).Add(time.Duration(n) * time.Second)
	return fmt.Sprintf(`{"ID":"%064x","Image":"docker.io/library/alpine:latest","Name":"c%d","Status":%q,"Time":%q,"Type":"container","Attributes":null}`,
		n, n, status, at.Format(time.RFC3339Nano))
}

func containers(from, to int) []string {
	var lines []string
	for n := from; n < to; n++ {
		lines = append(lines, container(n, "create"))
	}
	return lines
}

// sampleLogs are logs that real Podmans wrote.
var sampleLogs = []string{
	"podman-1.9.3-events.log", "podman-4.3.1-events.log", "podman-4.3.1-rotated-events.log", "podman-5.8.2-events.log",
}

// samples returns the lines of a log, moved to a year that has passed on every
// machine.
func samples(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../events/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(text), `"Time":"2026-`, `"Time":"2020-`)
	return strings.Split(strings.TrimSpace(moved), "\n")
}

// allSamples returns the lines of all of them.
func allSamples(t testing.TB) []string {
	var lines []string
	for _, name := range sampleLogs {
		lines = append(lines, samples(t, name)...)
	}
	return lines
}

// eventually waits for what happens elsewhere and cannot be awaited otherwise.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
