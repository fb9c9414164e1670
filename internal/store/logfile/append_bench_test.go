package logfile

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// BenchmarkAppend writes events of containers, one or many at a time. One round
// is one event.
func BenchmarkAppend(b *testing.B) {
	for _, together := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d-together", together), func(b *testing.B) {
			s, err := Open(Options{Path: filepath.Join(b.TempDir(), "events.log")})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
				b.Fatal(err)
			}
			batch := make([]events.Event, together)
			for i := range batch {
				batch[i] = events.Event{
					Type: events.Container, Status: events.Exited, ContainerExitCode: new(0), Name: "shop3_web_4711",
					ID: "b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596", Image: "registry.example.org/shop3/web:1.17",
					Details: events.Details{Attributes: map[string]string{"com.docker.compose.project": "shop3", "com.docker.compose.service": "web"}},
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += together {
				for i := range batch {
					batch[i].Time = time.Now()
				}
				if _, err := store.Cursors(s.Append(context.Background(), batch)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
