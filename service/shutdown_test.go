package service

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestShutdown_followersGetTheirCursor(t *testing.T) {
	r := newRig(t)
	r.write(eventList(0, 3)...)
	live, past, filtered, idle := r.dial(), r.dial(), r.dial(), r.dial()
	live.callMore("Subscribe", `{}`)
	live.wantMark(true, true, true)
	past.callMore("Subscribe", `{"fromStart":true}`)
	past.wantMark(true, false, true)
	past.wantEvents("c0", "c1", "c2")
	past.wantMark(false, true, true)
	filtered.callMore("Subscribe", `{"filters":["name=c3"],"heartbeatSec":3600}`)
	filtered.wantMark(true, true, true)
	idle.alive()
	r.write(event(3))
	live.wantEvents("c3")
	past.wantEvents("c3")
	filtered.wantEvents("c3")

	begin := time.Now()
	if err := r.shutdown(); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if took := time.Since(begin); took > limits.ShutdownGrace/2 {
		t.Errorf("it took %v although no client was slow", took)
	}
	for _, c := range []*client{live, past, filtered} {
		told := c.receive()
		c.wantClosed()
		if told.Error != "io.podman.events.ShuttingDown" || told.Continues || !r.isEnd(told.cursor()) {
			t.Errorf("reply is %s, want ShuttingDown with a cursor for the place after the last event", told)
		}
	}
	idle.wantClosed()
}

// isEnd reports whether nothing is after the cursor.
func (r *rig) isEnd(cursor string) bool {
	reading, err := r.store.Read(r.t.Context(), store.Start{After: cursor}, store.Everything())
	if err != nil {
		r.t.Errorf("cannot read after cursor %q: %v", cursor, err)
		return false
	}
	defer reading.Close()
	var batch store.Batch
	return errors.Is(reading.Next(r.t.Context(), &batch), io.EOF)
}

func TestShutdown_boundedTime(t *testing.T) {
	r := newRig(t)
	big := event(0)
	big.HealthLog = strings.Repeat("x", 64<<10)
	for range 20 {
		r.write(big)
	}
	stalled, pages, half := r.dial(), r.dial(), r.dial()
	stalled.callMore("Subscribe", `{"fromStart":true}`)
	pages.callMore("GetEvents", `{}`)
	if _, err := half.conn.Write([]byte(`{"method":`)); err != nil {
		t.Fatal(err)
	}
	stalled.wantMark(true, false, true)
	pages.receive()
	begin := time.Now()
	if err := r.shutdown(); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if took := time.Since(begin); took > limits.ShutdownGrace+5*time.Second {
		t.Errorf("it took %v, want about %v", took, limits.ShutdownGrace)
	}
}

func TestShutdown_context(t *testing.T) {
	r := newRig(t)
	big := event(0)
	big.HealthLog = strings.Repeat("x", 64<<10)
	for range 20 {
		r.write(big)
	}
	stalled := r.dial()
	stalled.callMore("Subscribe", `{"fromStart":true}`)
	stalled.wantMark(true, false, true)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_ = r.server.Shutdown(ctx)
	if took := time.Since(begin); took > limits.ShutdownGrace {
		t.Errorf("it took %v, want 100ms", took)
	}
	// Whatever was still ending ends.
	if err := r.shutdown(); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdown_noMoreClients(t *testing.T) {
	r := newRig(t)
	if err := r.shutdown(); err != nil {
		t.Fatal(err)
	}
	ours, theirs := testkit.SocketPair(t)
	if err := r.server.ServeConn(t.Context(), theirs); err != nil {
		t.Errorf("ServeConn: %v", err)
	}
	newClient(t, ours).wantClosed()
	l, err := varlinkwire.Listen("unix:" + r.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Serve(t.Context(), l); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServe_contextEnds(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := varlinkwire.Listen("unix:" + r.dir + "/second")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- r.server.Serve(ctx, l) }()
	c := dial(t, l.Path())
	c.alive()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	c.alive()
	r.dial().alive()
}

func TestServeConn_contextEnds(t *testing.T) {
	r := newRig(t)
	ours, theirs := testkit.SocketPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.server.ServeConn(ctx, theirs) }()
	c := newClient(t, ours)
	c.callMore("Subscribe", `{}`)
	mark := c.wantMark(true, true, true)
	cancel()
	c.wantError("io.podman.events.ShuttingDown", `{"cursor":"`+mark.cursor()+`"}`)
	if err := <-ended; err != nil {
		t.Errorf("ServeConn: %v", err)
	}
}

func TestShutdown_closedFeed(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.callMore("Subscribe", `{}`)
	mark := c.wantMark(true, true, true)
	r.feed.Close()
	c.wantError("io.podman.events.ShuttingDown", `{"cursor":"`+mark.cursor()+`"}`)
	c.alive()
	c.callMore("Subscribe", `{}`)
	c.wantError("io.podman.events.ShuttingDown", `{}`)
}
