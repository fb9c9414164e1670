package line

import (
	"math"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// Numbers of any length are read.
func TestScan_numbers(t *testing.T) {
	for _, n := range []int{0, -1, 255, 999999999, 1000000000, math.MaxUint32, math.MaxInt64, math.MinInt64} {
		e := events.Event{
			Type: events.Container, Status: events.Exited, Time: time.Unix(1e9, 1), ContainerExitCode: &n, HealthFailingStreak: n,
		}
		b, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var f Fields
		original := b
		if !Scan(b, &f) {
			if b, err = Normalize(b, &f); err != nil {
				t.Fatalf("%s: %v", original, err)
			}
		}
		compare(t, original, b, &f)
	}
}
