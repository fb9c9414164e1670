package dbus

import (
	"context"
	"fmt"
	"sync"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// call is a call of a method while it waits and is handled.
type call struct {
	header
	body []byte
	conn *conn
	peer *peer
}

// user is what the calls of one user take.
type user struct {
	peers  int // of this user, while they are there or have calls
	calls  int
	memory int
	// questions to them that have no answer yet.
	questions int
	slots     chan struct{} // as many as there are calls being worked on, nil: no bound
}

// arrive takes a call in: into the queue of its sender, or not at all if there
// are too many. It is called by the reading goroutine.
func (c *conn) arrive(h header, body []byte) {
	if h.sender == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		c.refuse(&h, errServiceUnknown, "the service is stopping and has not looked at the call; call "+eventsInterface+" again")
		return
	}
	p := c.peer(h.sender)
	if reason := c.refusal(p, len(body)); reason != "" {
		c.server.noteRefusal(h.sender, reason)
		c.refuse(&h, errLimitsExceeded, reason)
		return
	}
	c.count(p, 1, len(body))
	c.server.activity.Begin()
	c.server.calls.Add(1)
	p.queue = append(p.queue, &call{header: h, body: body, conn: c, peer: p})
	if !p.busy {
		p.busy = true
		c.goroutines.Go(func() { c.work(p) })
	}
}

// refusal says why a call cannot be taken in, "" if it can.
func (c *conn) refusal(p *peer, memory int) string {
	switch {
	case p.waiting >= limits.CallsPerSender:
		return fmt.Sprintf("there are %d calls of yours that are not answered yet; wait for their replies", p.waiting)
	case c.calls >= limits.Calls || c.memory+memory > limits.CallMemory:
		return "there are too many calls to the service; try again later"
	case p.user.bounded() && (p.user.calls >= limits.CallsPerUID || p.user.memory+memory > limits.CallMemoryPerUID):
		return "your user has too many calls to the service; wait for their replies"
	}
	return ""
}

// bounded reports whether the bounds that protect users from each other apply.
func (u *user) bounded() bool { return u.slots != nil }

// count adds to what the calls of a peer take.
func (c *conn) count(p *peer, calls, memory int) {
	c.calls += calls
	c.memory += memory
	p.waiting += calls
	p.memory += memory
	p.user.calls += calls
	p.user.memory += memory
}

// move counts a peer to its user, once it is known who that is.
func (c *conn) move(p *peer) {
	calls, memory := p.waiting, p.memory
	c.count(p, -calls, -memory)
	u := c.users[p.UID]
	if u == nil {
		u = new(user)
		if !p.trusted {
			u.slots = make(chan struct{}, limits.CallsAtOncePerUID)
		}
		c.users[p.UID] = u
	}
	u.peers++
	p.user = u
	c.count(p, calls, memory)
}

// release forgets the user of a peer that is gone and has no calls any more, if
// it was the last. It is called with the lock held.
func (c *conn) release(p *peer) {
	if !p.gone || p.busy || p.user == &c.strangers {
		return
	}
	if p.user.peers--; p.user.peers == 0 {
		delete(c.users, p.UID)
	}
	p.user = &c.strangers
}

// work handles the calls of a peer until there are none.
func (c *conn) work(p *peer) {
	for {
		c.mu.Lock()
		if len(p.queue) == 0 {
			p.busy, p.queue = false, nil
			c.release(p)
			c.mu.Unlock()
			return
		}
		next := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		c.mu.Unlock()
		c.handleBounded(next)
		c.mu.Lock()
		c.count(p, -1, -len(next.body))
		c.endLeaving()
		c.mu.Unlock()
		c.server.activity.End()
	}
}

// handleBounded handles a call as soon as few enough are worked on.
func (c *conn) handleBounded(k *call) {
	p := k.peer
	if p.ctx.Err() != nil {
		_ = k.fail(context.Cause(p.ctx))
		return
	}
	if err := c.identify(p); err != nil {
		if p.ctx.Err() == nil {
			_ = k.fail(standard(errAccessDenied, err.Error()))
		}
		return
	}
	for _, slots := range []chan struct{}{p.user.slots, c.slots} {
		if slots == nil {
			continue
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-p.ctx.Done():
			_ = k.fail(context.Cause(p.ctx))
			return
		}
	}
	c.handle(k)
}

// handle answers a call. A panic ends the call and nothing else.
func (c *conn) handle(k *call) {
	err := c.server.guard.Run(k.iface+"."+k.member, &k.peer.Peer, k.dispatch)
	if err == nil {
		return
	}
	if err := k.fail(k.cause(err)); err != nil {
		c.server.log.Debug("a D-Bus call was not answered", "error", err)
	}
}

// reply answers the call. The body is encoded as the signature says.
func (k *call) reply(signature string, body []byte) error {
	if k.flags&godbus.FlagNoReplyExpected != 0 {
		return nil
	}
	return k.conn.transport.send(k.message(godbus.TypeMethodReply, signature, "", body))
}

// fail answers the call with an error.
func (k *call) fail(err error) error {
	if k.flags&godbus.FlagNoReplyExpected != 0 || errors.Is(err, errGone) || errors.Is(err, errLost) {
		return nil
	}
	f := k.conn.server.faultOf(err, &k.peer.Peer, "")
	e := newEncoder(nil)
	e.string(cleanText(f.message))
	return k.conn.transport.send(k.message(godbus.TypeError, "s", f.onBus(), e.bytes()))
}

// cause returns why the context of the call ended, if that is the error.
func (k *call) cause(err error) error {
	if k.peer.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Cause(k.peer.ctx)
	}
	return err
}

func (k *call) message(kind godbus.Type, signature, errorName string, body []byte) []byte {
	return appendMessage(nil, &header{
		kind: kind, flags: godbus.FlagNoReplyExpected, serial: k.conn.transport.GetSerial(), errorName: errorName,
		destination: k.sender, signature: signature, replySerial: k.serial,
	}, body)
}

// refusals are answers that wait to be written by a goroutine of their own: the
// reading goroutine must not wait for the bus.
type refusals struct {
	mu       sync.Mutex
	messages []byte
	changed  chan struct{}
}

// refuse answers a call that is not taken in.
func (c *conn) refuse(h *header, name, reason string) {
	if h.flags&godbus.FlagNoReplyExpected != 0 || h.sender == "" {
		return
	}
	e := newEncoder(nil)
	e.string(reason)
	c.refusals.mu.Lock()
	defer c.refusals.mu.Unlock()
	if len(c.refusals.messages) > limits.Refused {
		return
	}
	c.refusals.messages = appendMessage(c.refusals.messages, &header{
		kind: godbus.TypeError, flags: godbus.FlagNoReplyExpected, serial: c.transport.GetSerial(),
		errorName: name, destination: h.sender, signature: "s", replySerial: h.serial,
	}, e.bytes())
	select {
	case c.refusals.changed <- struct{}{}:
	default:
	}
}

func (c *conn) refuseLong(h header) {
	c.refuse(&h, errLimitsExceeded, fmt.Sprintf("the call is longer than %d bytes", limits.DBusMessage))
}

// sendRefusals writes refusals as they come.
func (c *conn) sendRefusals() {
	for {
		select {
		case <-c.refusals.changed:
		case <-c.ctx.Done():
			return
		}
		c.flushRefusals()
	}
}

// flushRefusals writes what refusals there are.
func (c *conn) flushRefusals() {
	c.refusals.mu.Lock()
	messages := c.refusals.messages
	c.refusals.messages = nil
	c.refusals.mu.Unlock()
	if len(messages) > 0 {
		_ = c.transport.send(messages)
	}
}
