package dbuswire

import (
	"testing"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// No peer and no user can use up the pings that others need.
func TestPings_sharedFairly(t *testing.T) {
	c := &Conn{pings: pings{open: make(map[uint32]ping)}}
	c.mu.Lock()
	defer c.mu.Unlock()
	serial := uint32(1 << 30)
	// ask asks a peer as often as it may be.
	ask := func(p *Peer) (n int) {
		for ; c.mayPing(p); n++ {
			serial++
			c.pings.open[serial] = ping{p, new(Flow)}
			p.pings++
			p.user.pings++
		}
		return n
	}
	stranger := func() *user { return &user{slots: make(chan struct{}, 1)} }
	alice, root := stranger(), new(user)
	if n := ask(&Peer{user: alice}); n != limits.PingsPerSender {
		t.Errorf("one connection has %d", n)
	}
	asked := limits.PingsPerSender
	for ; asked < limits.PingsPerUID; asked++ {
		if n := ask(&Peer{user: alice}); n == 0 {
			break
		} else if asked > limits.PingsPerUID/2 && n != 1 {
			t.Errorf("with %d a connection gets %d more", asked, n)
		}
	}
	if alice.pings != limits.PingsPerUID {
		t.Errorf("one user has %d", alice.pings)
	}
	for range limits.Pings {
		ask(&Peer{user: stranger()})
	}
	if left := limits.Pings - len(c.pings.open); left != limits.Pings/limits.TrustedShare {
		t.Errorf("strangers have left %d", left)
	}
	if n := ask(&Peer{user: root}); n != 1 {
		t.Errorf("root has %d", n)
	}
	gone := &Peer{user: alice, gone: true}
	if n := ask(gone); n != 0 {
		t.Errorf("one who has left is asked %d times", n)
	}
	// A peer that leaves gives back what it had, and a waiting flow is notified.
	fewer := make(chan struct{})
	c.pings.fewer = fewer
	for _, q := range c.pings.open {
		c.dropPings(q.peer)
	}
	if len(c.pings.open) != 0 || alice.pings != 0 || root.pings != 0 {
		t.Errorf("%d pings stay, alice's %d, root's %d", len(c.pings.open), alice.pings, root.pings)
	}
	<-fewer
}
