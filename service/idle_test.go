package service

import (
	"testing"
	"time"
)

func TestIdle_lastClientGone(t *testing.T) {
	idle := make(chan struct{}, 8)
	r := newRig(t, func(_ *rig, o *Options) { o.Idle = func() { idle <- struct{}{} } })
	for range 2 {
		a, b := r.dial(), r.dial()
		a.alive()
		b.alive()
		a.conn.Close()
		eventually(t, "one connection is left", func() bool { return r.open() == 1 })
		select {
		case <-idle:
			t.Fatal("Idle is called while a client is connected")
		default:
		}
		b.alive()
		b.conn.Close()
		select {
		case <-idle:
		case <-time.After(patience):
			t.Fatal("it is not told")
		}
	}
}
