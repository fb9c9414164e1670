package dbus

import (
	"context"
	"sync"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

// heldStore is a store that answers when it is released.
type heldStore struct {
	store.Store
	calls    sync.WaitGroup // Done for each call that has come, as far as they are counted
	released chan struct{}
}

func (s *heldStore) wait() {
	s.calls.Done()
	<-s.released
}

func (s *heldStore) Read(ctx context.Context, start store.Start, q store.Query) (store.Reading, error) {
	r, err := s.Store.Read(ctx, start, q)
	return &heldReading{r, s}, err
}

func (s *heldStore) Last(ctx context.Context, q store.Query, b *store.Batch) (*store.Record, error) {
	s.wait()
	return s.Store.Last(ctx, q, b)
}

func (s *heldStore) Append(ctx context.Context, batch []events.Event) []store.Written {
	s.wait()
	return s.Store.Append(ctx, batch)
}

// heldReading is a reading that begins to read when the store is released.
type heldReading struct {
	store.Reading
	of *heldStore
}

func (r *heldReading) Next(ctx context.Context, b *store.Batch) error {
	r.of.wait()
	return r.Reading.Next(ctx, b)
}

// However many calls wait for the store, others are answered.
func TestCall_storeIsSlow(t *testing.T) {
	write := dict{"type": v("container"), "status": v("start"), "id": v("1"), "name": v("a")}
	for method, args := range map[string][]any{
		"GetEvents": {[]string{}, dict{}}, "GetLastEvent": {[]string{}}, "WriteEvent": {write}, "GetState": {[]string{}, dict{}},
	} {
		t.Run(method, func(t *testing.T) {
			s := &heldStore{released: make(chan struct{})}
			r := newRigOn(t, func(st store.Store) store.Store { s.Store = st; return s })
			s.calls.Add(limits.CallsAtOnce)
			var waiting []*godbus.Call
			for range limits.CallsAtOnce {
				waiting = append(waiting, object(r.client()).Go(eventsInterface+"."+method, 0, make(chan *godbus.Call, 1), args...))
			}
			s.calls.Wait()
			s.calls.Add(1 << 20) // those that come later are not counted
			if _, err := try(r.client(), "org.freedesktop.DBus.Properties.Get", eventsInterface, "Backend"); err != nil {
				t.Error(err)
			}
			close(s.released)
			for _, call := range waiting {
				if (<-call.Done).Err != nil && method != "GetLastEvent" {
					t.Errorf("%s: %v", method, call.Err)
				}
			}
		})
	}
}
