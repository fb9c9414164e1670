package dbus

import (
	"bufio"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

func TestStreamsThatAreNotReadBoundWhatTheirUserReadsOfThePast(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 20_000)...) // more than a socket holds
	var ends sync.WaitGroup
	defer ends.Wait()
	const stranger, root = 12345, 0
	open := func(uid uint32) (*os.File, *bufio.Reader) {
		s := &stream{server: r.server, peer: access.Peer{UID: uid}, history: true}
		all := feed.Query{Filters: store.Everything().Filters, Since: store.NoSince, Until: store.NoUntil, UID: store.AnyUID}
		far, err := s.open(t.Context(), &request{query: all})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.server.takeStream(&dbuswire.Peer{Credentials: dbuswire.Credentials(s.peer)}); err != nil {
			t.Fatal(err)
		}
		ends.Go(s.run)
		return far, bufio.NewReader(far)
	}
	var stalled []*os.File
	for range limits.PastReadersPerUID {
		far, in := open(stranger)
		stalled = append(stalled, far)
		if nextLine(t, in); nextLine(t, in).Event == nil { // it is in the past, and reads no further
			t.Fatal("a stream has no event")
		}
	}
	waiting, in := open(stranger)
	if l := nextLine(t, in); !l.Ready {
		t.Fatalf("the first line is %+v", l)
	}
	trusted, other := open(root)
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
	if n := r.server.access.PastReaders(); n > 0 {
		t.Errorf("%d users are still known", n)
	}
}
