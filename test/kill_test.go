package test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
)

// TestKill_losesNothing kills the daemon at random moments, many times, while writers
// write and a client follows. What was acknowledged must be in the log once, and the
// client, which resumes by itself, must get exactly what is in the log.
func TestKill_losesNothing(t *testing.T) {
	t.Run("sync never", func(t *testing.T) { killsLoseNothing(t, counts(10, 200)) })
	t.Run("sync always", func(t *testing.T) { killsLoseNothing(t, counts(5, 50), "--sync", "always") })
}

func killsLoseNothing(t *testing.T, kills int, args ...string) {
	d, m := newDaemon(t, args...), newModel(t)
	d.start()
	// A cursor for the position before the first event is not valid after a restart.
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := w.write("first")
	if err != nil {
		t.Fatal(err)
	}
	m.stored("first", cursor)
	w.close()
	r := random(t)
	ctx := within(t, time.Duration(kills)*3*time.Second+time.Minute)

	c := d.client()
	defer c.Close()
	sub, err := c.Subscribe(ctx, client.SubscribeOptions{FromStart: true})
	if err != nil {
		t.Fatal(err)
	}
	got := watched{who: "the client"}
	var following, writing sync.WaitGroup
	following.Go(func() {
		for {
			e, err := sub.Next(ctx)
			if err != nil {
				t.Errorf("the client: %v", err)
				return
			}
			got.events = append(got.events, event{Name: e.Name, Cursor: e.Cursor})
			if e.Name == endName {
				return
			}
		}
	})
	var stop atomic.Bool
	for i := range 3 {
		writing.Go(func() { m.writeThroughKills(d, fmt.Sprintf("w%d", i), &stop) })
	}
	for range kills {
		time.Sleep(time.Duration(r.IntN(30_000)) * time.Microsecond) // the random moment
		d.kill()
		d.start()
	}
	stop.Store(true)
	writing.Wait()
	m.end(d)
	following.Wait()
	log := d.history(nil)
	m.checkLog(log)
	m.checkAll(&got, log)
	t.Logf("%d kills, %d events acknowledged, %d of unknown fate, %d in the log", kills, len(m.acked), len(m.maybe), len(log))
}

// writeThroughKills writes until it is stopped, and reconnects whenever the daemon was
// killed.
func (m *model) writeThroughKills(d *daemon, writer string, stop *atomic.Bool) {
	var w *wire
	for i := 0; !stop.Load(); i++ {
		for w == nil && !stop.Load() {
			if c, err := dial(d.socket); err == nil {
				w = c
			} else {
				time.Sleep(time.Millisecond) // for the daemon to come back
			}
		}
		if w == nil {
			return
		}
		name := fmt.Sprintf("%s-%d", writer, i)
		cursor, err := w.write(name)
		if err != nil { // it may have been written or not
			m.unknown(name)
			w.close()
			w = nil
			continue
		}
		m.stored(name, cursor)
	}
	if w != nil {
		w.close()
	}
}

// A cursor stays valid across a restart and the rotation of the daemon's own log.
func TestKill_cursorAfterOwnRotation(t *testing.T) {
	d := newDaemon(t, "--log-max-size", "64k")
	d.start()
	r := random(t)
	cursor, next := "", 0
	for round := range counts(10, 60) {
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		wrote := 1 + r.IntN(300) // less than what the log keeps
		for i := range wrote {
			name := fmt.Sprintf("w-%d", next+i)
			if _, err := w.write(name); err != nil {
				t.Fatal(err)
			}
		}
		w.close()
		if r.IntN(2) == 0 {
			d.kill()
			d.start()
		} else if r.IntN(2) == 0 {
			d.stop()
			d.start()
		}
		p := params{}
		if cursor != "" {
			p["after"] = cursor
		}
		events := d.history(p)
		if len(events) != wrote {
			t.Fatalf("round %d: %d events after the cursor, %d were written", round, len(events), wrote)
		}
		for i, e := range events {
			if e.Name != fmt.Sprintf("w-%d", next+i) {
				t.Fatalf("round %d: %s where %d was due", round, e.Name, next+i)
			}
		}
		next += wrote
		cursor = events[len(events)-1].Cursor
	}
}
