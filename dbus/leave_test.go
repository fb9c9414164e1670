package dbus

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// TestLeave_noCallIsDropped stops the service again and again while clients call. Each
// call gets a reply, or an error that the name has no owner: then it was not handled,
// and may be repeated.
func TestLeave_noCallIsDropped(t *testing.T) {
	const stops, clients = 20, 8
	var answered, unknown atomic.Int64
	for range stops {
		r := newRig(t, nil)
		r.write(eventRange(0, 100)...)
		r.warm()
		var calling sync.WaitGroup
		var begun sync.WaitGroup
		for range clients {
			c := r.client()
			begun.Add(1)
			calling.Go(func() {
				for n := 0; ; n++ {
					_, err := try(c, "GetEvents", []string{"name=c1"}, dict{})
					switch {
					case err == nil:
						answered.Add(1)
					case nameOf(err) == dbuswire.ErrServiceUnknown:
						unknown.Add(1)
						return
					default:
						t.Errorf("a call while the service stops: %v", err)
						return
					}
					if n == 2 {
						begun.Done()
					}
				}
			})
		}
		begun.Wait()
		r.stop()
		r.ended <- <-r.ended
		calling.Wait()
		r.end()
	}
	t.Logf("%d calls were answered, %d found no owner", answered.Load(), unknown.Load())
}
