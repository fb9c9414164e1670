package logfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/store"
)

// Probe proves that the follower moves.
func TestProbe_followerMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	s, err := Open(Options{Path: path, Own: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stuck, release := make(chan struct{}), make(chan struct{})
	if _, _, err := s.Follow(func(store.Emission) { close(stuck); <-release }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 100 {
		if err := s.Probe(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// A sink that does not return holds up the thread that reads.
	line := `{"Name":"v","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"volume"}` + "\n"
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	<-stuck
	probed := make(chan error, 1)
	short, cancel := context.WithCancel(t.Context())
	go func() { probed <- s.Probe(short) }()
	select {
	case err := <-probed:
		t.Fatalf("the probe returned %v although the follower is stuck", err)
	case <-time.After(200 * time.Millisecond):
	}
	cancel()
	close(release)
	if err := <-probed; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Probe(ctx); err != nil {
		t.Errorf("the follower goes on, and the probe says %v", err)
	}
}

// Probe of a log that is not there.
func TestProbe_noLog(t *testing.T) {
	s, err := Open(Options{Path: filepath.Join(t.TempDir(), "not", "there", "events.log")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("before it follows: %v", err)
	}
	if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Probe(ctx); err != nil {
		t.Error(err)
	}
	s.Close()
	if err := s.Probe(ctx); err != nil {
		t.Errorf("once it is closed: %v", err)
	}
}
