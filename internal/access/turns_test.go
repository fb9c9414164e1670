package access

import (
	"context"
	"log/slog"
	"testing"

	"github.com/eventsvc/eventsvc/internal/limits"
)

func TestWhoReadsThePastWaitsForTheTurnOfItsUser(t *testing.T) {
	p := NewPolicy(Allowed{}, Allowed{}, slog.New(slog.DiscardHandler))
	var leave []func()
	enter := func(uid uint32) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()       // who has to wait gives up
		for range 50 { // of two things that may happen Go chooses one
			l, err := p.ReadPast(ctx, &Peer{UID: uid})
			if err == nil {
				leave = append(leave, l)
				return nil
			}
		}
		return ctx.Err()
	}
	for range limits.PastReadersPerUID {
		if err := enter(1); err != nil {
			t.Fatal(err)
		}
	}
	if enter(1) == nil {
		t.Error("one more than may does not wait")
	}
	if err := enter(0); err != nil {
		t.Errorf("who is trusted: %v", err)
	}
	if err := enter(2); err != nil {
		t.Errorf("another user: %v", err)
	}
	leave[0]()
	leave[0]()
	if err := enter(1); err != nil {
		t.Errorf("when there is room: %v", err)
	}
	if enter(1) == nil {
		t.Error("who left twice made room for two")
	}
	for _, l := range leave {
		l()
	}
	if n := p.PastReaders(); n > 0 {
		t.Errorf("%d users are still known", n)
	}
}
