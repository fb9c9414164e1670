package dbus

import (
	"encoding/binary"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/test/buspolicy"
)

func TestABusThatRefusesToLetUsAskIsNoSubscriberThatReads(t *testing.T) {
	// It keeps account of a few calls, and drops what it cannot hold: much less than what is sent here.
	r := newRig(t, startDaemon(t, buspolicy.Session+
		`<limit name="max_replies_per_connection">5</limit><limit name="max_outgoing_bytes">1500000</limit>`))
	const count = 8_000
	r.write(eventRange(0, count)...)
	monitor := connectRaw(t, r.daemon.Path)
	monitor.send(&header{
		kind: godbus.TypeMethodCall, path: "/org/freedesktop/DBus", iface: busName + ".Monitoring", member: "BecomeMonitor",
		destination: busName, signature: "asu",
	}, func() []byte {
		e := newEncoder(nil)
		e.strings([]string{"type='error'"})
		e.uint32(0)
		return e.bytes()
	}())
	stalled := make([]*rawClient, 3)
	for i := range stalled {
		stalled[i] = connectRaw(t, r.daemon.Path)
		stalled[i].subscribeAll()
	}
	// As long as the bus refuses, nothing is sent.
	for refused := 0; refused < 12; {
		if h, _ := monitor.read(); h.errorName == errLimitsExceeded && h.destination == r.server.current.Load().unique {
			refused++
		}
	}
	for i, s := range stalled {
		for sequence := uint64(0); sequence < count; {
			h, body := s.read()
			switch {
			case h.kind == godbus.TypeMethodCall:
				s.answerPing(h)
			case h.kind == godbus.TypeSignal && h.member == "Event":
				sequence++
				if got := binary.LittleEndian.Uint64(body[len(body)-8:]); got != sequence {
					t.Fatalf("signal %d of subscriber %d has the number %d", sequence, i, got)
				}
			}
		}
	}
}

func TestNobodyCanUseUpTheQuestionsOfOthers(t *testing.T) {
	r := newRig(t, nil)
	c := r.server.current.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	serial := uint32(1 << 30)
	// ask asks a peer as often as it may be.
	ask := func(p *peer) (n int) {
		for ; c.mayAsk(p); n++ {
			serial++
			c.questions.open[serial] = question{p, new(subscription)}
			p.questions++
			p.user.questions++
		}
		return n
	}
	stranger := func() *user { return &user{slots: make(chan struct{}, 1)} }
	alice, root := stranger(), new(user)
	if n := ask(&peer{user: alice}); n != limits.QuestionsPerSender {
		t.Errorf("one connection has %d", n)
	}
	asked := limits.QuestionsPerSender
	for ; asked < limits.QuestionsPerUID; asked++ {
		if n := ask(&peer{user: alice}); n == 0 {
			break
		} else if asked > limits.QuestionsPerUID/2 && n != 1 {
			t.Errorf("with %d a connection gets %d more", asked, n)
		}
	}
	if alice.questions != limits.QuestionsPerUID {
		t.Errorf("one user has %d", alice.questions)
	}
	for range limits.Questions {
		ask(&peer{user: stranger()})
	}
	if left := limits.Questions - len(c.questions.open); left != limits.Questions/limits.TrustedShare {
		t.Errorf("strangers have left %d", left)
	}
	if n := ask(&peer{user: root}); n != 1 {
		t.Errorf("root has %d", n)
	}
	gone := &peer{user: alice, gone: true}
	if n := ask(gone); n != 0 {
		t.Errorf("one who has left is asked %d times", n)
	}
	// Whoever leaves gives back what it had, and who waits is told.
	turn := make(chan struct{})
	c.questions.turn = turn
	for _, q := range c.questions.open {
		c.dropQuestions(q.peer)
	}
	if len(c.questions.open) != 0 || alice.questions != 0 || root.questions != 0 {
		t.Errorf("%d questions stay, alice's %d, root's %d", len(c.questions.open), alice.questions, root.questions)
	}
	<-turn
}
