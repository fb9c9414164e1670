package feed

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

func TestSubscription_lossFromThePast(t *testing.T) {
	before := start(t, 1<<20, 1<<20)
	before.write(0, 10)
	r := startAt(t, before.path, 1<<20, 1<<20)
	s := r.subscribe(Request{History: true})
	got, err := s.read(timeout(t), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 10)
	if err := os.Truncate(r.path, 0); err != nil {
		t.Fatal(err)
	}
	r.write(20, 22)
	got, err = s.read(timeout(t), 2)
	var expired *events.ExpiredError
	if !errors.As(err, &expired) {
		t.Fatalf("got %v and %v", got, err)
	}
}

func TestDelivery_memory(t *testing.T) {
	r := start(t, baseSize, maxSize)
	q := Everything()
	var err error
	if q.Filters, err = filter.Parse([]string{"name=wanted"}); err != nil {
		t.Fatal(err)
	}
	s := r.subscribe(Request{Query: q})
	const total = 40
	for n := range total {
		unwanted, wanted := event(2*n), event(2*n+1)
		unwanted.Error, wanted.Name = strings.Repeat("x", 50_000), "wanted"
		if _, err := store.Cursors(r.Write(timeout(t), []events.Event{unwanted, wanted})); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < total; {
		d, err := s.Next(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		if got += len(d.Records); len(d.Records) > 12 {
			t.Fatalf("a delivery keeps %d chunks", len(d.Records))
		}
	}
}
