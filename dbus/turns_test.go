package dbus

import (
	"bufio"
	"context"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

func TestWhoReadsThePastOnDBusWaitsForTheTurnOfItsUser(t *testing.T) {
	var past turns
	var leave []func()
	enter := func(uid uint32, trusted bool) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()       // who has to wait gives up
		for range 50 { // of two things that may happen Go chooses one
			l, err := past.enter(ctx, uid, trusted)
			if err == nil {
				leave = append(leave, l)
				return nil
			}
		}
		return ctx.Err()
	}
	for range limits.PastReadersPerUID {
		if err := enter(1, false); err != nil {
			t.Fatal(err)
		}
	}
	if enter(1, false) == nil {
		t.Error("one more than may does not wait")
	}
	if err := enter(1, true); err != nil {
		t.Errorf("who is trusted: %v", err)
	}
	if err := enter(2, false); err != nil {
		t.Errorf("another user: %v", err)
	}
	leave[0]()
	leave[0]()
	if err := enter(1, false); err != nil {
		t.Errorf("when there is room: %v", err)
	}
	if enter(1, false) == nil {
		t.Error("who left twice made room for two")
	}
	for _, l := range leave {
		l()
	}
	if len(past.users) > 0 {
		t.Errorf("users are still known: %v", past.users)
	}
}

func TestStreamsThatAreNotReadBoundWhatTheirUserReadsOfThePast(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 20_000)...) // more than a socket holds
	var ends sync.WaitGroup
	defer ends.Wait()
	open := func(trusted bool) (*os.File, *bufio.Reader) {
		s := &stream{server: r.server, peer: access.Peer{UID: 12345}, trusted: trusted, history: true}
		all := feed.Query{Filters: store.Everything().Filters, Since: store.NoSince, Until: store.NoUntil, UID: store.AnyUID}
		far, err := s.open(t.Context(), &request{query: all})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.server.takeStream(&peer{Peer: s.peer, trusted: trusted}); err != nil {
			t.Fatal(err)
		}
		ends.Go(s.run)
		return far, bufio.NewReader(far)
	}
	var stalled []*os.File
	for range limits.PastReadersPerUID {
		far, in := open(false)
		stalled = append(stalled, far)
		if nextLine(t, in); nextLine(t, in).Event == nil { // it is in the past, and reads no further
			t.Fatal("a stream has no event")
		}
	}
	waiting, in := open(false)
	if l := nextLine(t, in); !l.Ready {
		t.Fatalf("the first line is %+v", l)
	}
	trusted, other := open(true)
	for l := nextLine(t, other); !l.Live; l = nextLine(t, other) {
	}
	if unread, err := unix.IoctlGetInt(int(waiting.Fd()), unix.TIOCINQ); err != nil || unread+in.Buffered() > 0 {
		t.Errorf("one more than may has been sent %d bytes of the past, %v", unread+in.Buffered(), err)
	}
	stalled[0].Close()
	for l := nextLine(t, in); !l.Live; l = nextLine(t, in) {
	}
	for _, far := range append(stalled[1:], waiting, trusted) {
		far.Close()
	}
	ends.Wait()
	if r.server.past.mu.Lock(); len(r.server.past.users) > 0 {
		t.Errorf("users are still known: %v", r.server.past.users)
	}
	r.server.past.mu.Unlock()
}
