package test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// BenchmarkAppendToDelivery measures how long it takes from the call with which
// a Podman appends an event until a subscriber has read it from its socket, one
// event at a time. It reports the median and the 99th percentile.
func BenchmarkAppendToDelivery(b *testing.B) {
	for _, subscribers := range []int{1, 100} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			d := startDaemon(b)
			var all []*wire
			for range subscribers {
				all = append(all, d.subscribe(nil))
			}
			p := imitate.Podman{Path: d.log}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				if err := p.Write(imitate.Line(fmt.Sprintf("v%d", i), began)); err != nil {
					b.Fatal(err)
				}
				for _, w := range all {
					for {
						r, err := w.recv()
						if err != nil {
							b.Fatal(err)
						}
						if r.Parameters.Event != nil {
							break
						}
					}
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
