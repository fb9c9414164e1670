package feed

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/eventsvc/eventsvc/internal/store"
)

// Subscribers that have fallen behind together share what is read again: each event is
// encoded about once, and nothing is kept when they have caught up.
func TestReplay_isShared(t *testing.T) {
	r := start(t, 4000, 8000)
	const total, subscribers = 5000, 10
	encoded := 0
	r.names.encode = func(frame []byte, rec *store.Record) []byte {
		encoded++
		return nameFrame(frame, rec)
	}
	var subs [subscribers]*Subscription
	var got [subscribers][]string
	for i := range subs {
		subs[i] = r.subscribe(Request{})
	}
	ctx := timeout(t)
	readUpTo := func(n int) {
		for len(got[subscribers-1]) < n {
			for i, s := range subs {
				names, err := s.read(ctx, 1)
				if err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], names...)
			}
		}
	}
	r.write(0, total)
	readUpTo(total)
	r.write(total, total+1)
	readUpTo(total + 1)
	for i := range got {
		want(t, got[i], 0, total+1)
	}
	if encoded > 2*total {
		t.Errorf("%d events were encoded %d times for %d subscribers", total, encoded, subscribers)
	}
	if n := len(r.replays.chunks); n < 2 {
		t.Errorf("%d chunks were read again", n)
	}
	for _, s := range subs {
		if s.held != nil {
			t.Error("a subscriber that has caught up keeps a file open")
		}
	}
	runtime.GC()
	for _, p := range r.replays.chunks {
		if p.Value() != nil {
			t.Error("a chunk is kept that no subscriber is at")
		}
	}
}

// failingStore fails one of its readings.
type failingStore struct {
	store.Store
	left int // readings until then
}

var errRead = errors.New("the disk is broken")

func (s *failingStore) Read(ctx context.Context, from store.Start, q store.Query) (store.Reading, error) {
	if s.left--; s.left == 0 {
		return nil, errRead
	}
	return s.Store.Read(ctx, from, q)
}

// A subscriber whose reading fails leaves the others to read for themselves.
func TestReplay_afterAFailure(t *testing.T) {
	r := start(t, 4000, 8000)
	first, second := r.subscribe(Request{}), r.subscribe(Request{})
	r.write(0, 500)
	r.st = &failingStore{r.st, 2} // the first only holds the place
	if _, err := first.read(timeout(t), 1); !errors.Is(err, errRead) {
		t.Fatal(err)
	}
	got, err := second.read(timeout(t), 500)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 500)
}

// Subscribers that are bounded in what they hold do not share it.
func TestReplay_notForBoundedSubscribers(t *testing.T) {
	r := start(t, 4000, 8000)
	s := r.subscribe(Request{Past: new(bounded)})
	r.write(0, 500)
	got, err := s.read(timeout(t), 500)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 500)
	if len(r.replays.chunks) > 0 {
		t.Error("it has read what others could share")
	}
}

type bounded struct{ unbounded }
