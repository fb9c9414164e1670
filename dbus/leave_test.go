package dbus

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// TestACallIsNeverDroppedWhenTheServiceStops stops the service again and again
// while clients call. Each call is answered, or told that nobody has the name:
// then it was not looked at, and may be made again.
func TestACallIsNeverDroppedWhenTheServiceStops(t *testing.T) {
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
					case nameOf(err) == errServiceUnknown:
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
	t.Logf("%d calls were answered, %d found nobody", answered.Load(), unknown.Load())
}

// TestACallThatComesWhenTheServiceHasLeftIsRefused calls by the unique name,
// which the service has as long as it is on the bus.
func TestACallThatComesWhenTheServiceHasLeftIsRefused(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	ask(t, c, "GetEvents", []string{}, dict{})
	conn := r.server.current.Load()
	conn.shut() // as it does when its name was given back
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.Object(conn.unique, eventsPath).CallWithContext(ctx, eventsInterface+".GetEvents", 0, []string{}, dict{}).Err
	if nameOf(err) != errServiceUnknown {
		t.Errorf("the call is told %v", err)
	}
}
