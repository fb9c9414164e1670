package dbus

import (
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// A question is a call of Peer.Ping to a subscriber, whose library answers it
// when it has read all that was sent before. The bus keeps account of questions
// without an answer, and refuses more than some number of them; so do we, a bit
// below that, and no peer or user can use up what others need.
type question struct {
	peer         *peer
	subscription *subscription
}

// questions are those that have no answer yet. They are below conn.mu.
type questions struct {
	open   map[uint32]question // by serial
	turn   chan struct{}       // closed when there is one less; nil: nobody waits
	warned bool                // of subscribers that cannot be asked
}

// mayAsk reports whether a peer can be asked now. The second half of all questions,
// and of those to one user, is for peers who have none. It is called with the
// lock held.
func (c *conn) mayAsk(p *peer) bool {
	if p.gone || p.questions >= limits.QuestionsPerSender {
		return false
	}
	share := 1
	if p.questions > 0 {
		share = 2
	}
	most := limits.Questions
	if p.user.bounded() {
		if p.user.questions >= limits.QuestionsPerUID/share {
			return false
		}
		most -= most / limits.TrustedShare
	}
	return len(c.questions.open) < most/share
}

// ask appends a question to what is sent to the peer, if one is due. If it
// cannot be asked now, turn is closed when that may have changed.
func (s *subscription) ask(b []byte) (out []byte, turn <-chan struct{}) {
	c, p := s.conn, s.peer
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.unproven.Load() < limits.SignalWindow, s.open >= limits.SignalWindows:
		return b, nil
	case p.noPings:
		p.unproven.Store(0)
		return b, nil
	case !c.mayAsk(p):
		if c.questions.turn == nil {
			c.questions.turn = make(chan struct{})
		}
		return b, c.questions.turn
	}
	serial := c.transport.GetSerial()
	c.questions.open[serial] = question{p, s}
	p.questions++
	p.user.questions++
	p.unproven.Store(0)
	s.open++
	return appendMessage(b, &header{
		kind: godbus.TypeMethodCall, flags: godbus.FlagNoAutoStart, serial: serial, path: "/", iface: peerInterface,
		member: "Ping", destination: p.name,
	}, nil), nil
}

// closeQuestion forgets a question. It is called with the lock held.
func (c *conn) closeQuestion(serial uint32, q question) {
	delete(c.questions.open, serial)
	q.peer.questions--
	q.peer.user.questions--
	if c.questions.turn != nil {
		close(c.questions.turn)
		c.questions.turn = nil
	}
}

// dropQuestions forgets the questions to a peer that has left. It is called with
// the lock held.
func (c *conn) dropQuestions(p *peer) {
	for serial, q := range c.questions.open {
		if q.peer == p {
			c.closeQuestion(serial, q)
		}
	}
}

// answered is called by the reading goroutine for replies and errors. It tells
// whether this was the answer to a question. An error is as good an answer as any
// if it is the peer's own. One of the bus is none: it has not let us ask.
func (c *conn) answered(h *header) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.questions.open[h.replySerial]
	if !ok || h.sender != q.peer.name && h.sender != busName {
		return false
	}
	c.closeQuestion(h.replySerial, q)
	reads := true
	if h.sender == busName {
		switch h.errorName {
		case errAccessDenied:
			q.peer.noPings = true
			c.warnOfNoPings()
		case errLimitsExceeded:
			reads = false
		}
	}
	select {
	case q.subscription.acknowledged <- reads:
	default:
	}
	return true
}

// warnOfNoPings says once that subscribers cannot be asked. It is called with the
// lock held.
func (c *conn) warnOfNoPings() {
	if c.questions.warned {
		return
	}
	c.questions.warned = true
	c.server.log.Warn("cannot ask D-Bus subscribers whether they read, so the bus may drop signals for one that does not; "+
		"let the service send "+peerInterface+".Ping in the policy of the bus", "bus", c.server.bus)
}

// awaitReader returns when the peer has shown that it reads, as far as that is
// due. It does not wait for ever: one that does read and never answers has to be
// told.
func (s *subscription) awaitReader() error {
	if s.open < limits.SignalWindows && s.peer.unproven.Load() < limits.SignalWindow {
		return nil
	}
	patience := time.Duration(s.conn.server.patience.Load())
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		b, turn := s.ask(nil)
		if len(b) > 0 {
			if err := s.conn.transport.send(b); err != nil {
				return err
			}
		}
		if turn == nil && s.open < limits.SignalWindows {
			return nil
		}
		select {
		case reads := <-s.acknowledged:
			s.open--
			if reads {
				timer.Reset(patience)
				continue
			}
			wait(s.ctx, limits.QuestionPause)
			s.peer.unproven.Store(limits.SignalWindow)
		case <-turn:
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-timer.C:
			return standard(errLimitsExceeded, "the subscriber has read nothing for "+patience.String()+
				", or does not answer "+peerInterface+".Ping; subscribe again after the last cursor")
		}
	}
}
