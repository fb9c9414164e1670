package dbuswire

import (
	"context"
	"fmt"
	"os"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// Call is a method call, from its arrival until it is handled.
type Call struct {
	Header
	body []byte
	conn *Conn
	peer *Peer

	slots []chan struct{} // held while the call is being handled
}

// Peer returns the caller.
func (k *Call) Peer() *Peer { return k.peer }

// Conn returns the connection over which the call arrived.
func (k *Call) Conn() *Conn { return k.conn }

// Context returns the caller's context.
func (k *Call) Context() context.Context { return k.peer.ctx }

// user is what the calls of one user take.
type user struct {
	peers  int // of this user, connected or with calls left
	calls  int
	memory int
	pings  int           // sent to them and not answered yet
	slots  chan struct{} // one element for each call being handled, nil: no bound
}

// arrive adds a call to the queue of its sender, or refuses it if there are too many.
// It is called by the reading goroutine.
func (c *Conn) arrive(h Header, body []byte) {
	if h.Sender == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		c.refuse(&h, ErrServiceUnknown, "the service is stopping and has not handled the call; call "+c.service.o.Name+" again")
		return
	}
	p := c.peer(h.Sender)
	if reason := c.refusal(p, len(body)); reason != "" {
		c.service.Refused(h.Sender, reason)
		c.refuse(&h, ErrLimitsExceeded, reason)
		return
	}
	c.count(p, 1, len(body))
	c.service.o.Activity.Begin()
	c.service.calls.Add(1)
	p.queue = append(p.queue, &Call{Header: h, body: body, conn: c, peer: p})
	if !p.busy {
		p.busy = true
		c.goroutines.Go(func() { c.work(p) })
	}
}

// refusal returns why a call cannot be accepted, "" if it can.
func (c *Conn) refusal(p *Peer, memory int) string {
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
func (c *Conn) count(p *Peer, calls, memory int) {
	c.calls += calls
	c.memory += memory
	p.waiting += calls
	p.memory += memory
	p.user.calls += calls
	p.user.memory += memory
}

// move transfers a peer's calls to its user, once that is known.
func (c *Conn) move(p *Peer) {
	calls, memory := p.waiting, p.memory
	c.count(p, -calls, -memory)
	u := c.users[p.account]
	if u == nil {
		u = new(user)
		if !p.trusted {
			u.slots = make(chan struct{}, limits.CallsAtOncePerUID)
		}
		c.users[p.account] = u
	}
	u.peers++
	p.user = u
	c.count(p, calls, memory)
}

// release forgets the user of a peer that has left and has no calls any more, if it was
// the user's last. It is called with the lock held.
func (c *Conn) release(p *Peer) {
	if !p.gone || p.busy || p.user == &c.strangers {
		return
	}
	if p.user.peers--; p.user.peers == 0 {
		delete(c.users, p.account)
	}
	p.user = &c.strangers
}

// work handles the calls of a peer until there are none left.
func (c *Conn) work(p *Peer) {
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
		c.service.o.Activity.End()
	}
}

// handleBounded handles a call as soon as few enough others are being handled.
func (c *Conn) handleBounded(k *Call) {
	p := k.peer
	if p.ctx.Err() != nil {
		_ = k.fail(context.Cause(p.ctx))
		return
	}
	if err := c.identify(p); err != nil {
		if p.ctx.Err() == nil {
			_ = k.fail(&Error{ErrAccessDenied, err.Error()})
		}
		return
	}
	if err := k.takeSlots(); err != nil {
		_ = k.fail(err)
		return
	}
	defer k.giveSlots()
	c.handle(k)
}

// takeSlots waits until few enough calls are being handled.
func (k *Call) takeSlots() error {
	for _, slots := range []chan struct{}{k.peer.user.slots, k.conn.slots} {
		if slots == nil {
			continue
		}
		select {
		case slots <- struct{}{}:
			k.slots = append(k.slots, slots)
		case <-k.peer.ctx.Done():
			k.giveSlots()
			return context.Cause(k.peer.ctx)
		}
	}
	return nil
}

func (k *Call) giveSlots() {
	for _, slots := range k.slots {
		<-slots
	}
	k.slots = nil
}

// Aside calls a function that may take long. Meanwhile the call does not count as being
// handled, so that other calls continue. If the caller has disconnected by the end,
// Aside returns an error, but the function has been called.
func (k *Call) Aside(f func()) error {
	k.giveSlots()
	f()
	return k.takeSlots()
}

// handle handles a call and replies to it.
func (c *Conn) handle(k *Call) {
	err := c.service.o.Guard(k.Interface+"."+k.Member, k.peer, k.dispatch)
	if err == nil {
		return
	}
	if err := k.fail(k.cause(err)); err != nil {
		c.service.log.Debug("a D-Bus call was not answered", "error", err)
	}
}

// Reply replies to the call. The body is encoded as the signature says.
func (k *Call) Reply(signature string, body []byte) error {
	if k.Flags&godbus.FlagNoReplyExpected != 0 {
		return nil
	}
	return k.conn.transport.send(k.message(godbus.TypeMethodReply, signature, "", body))
}

// fail replies to the call with an error.
func (k *Call) fail(err error) error {
	if k.Flags&godbus.FlagNoReplyExpected != 0 || IsUnanswerable(err) {
		return nil
	}
	var f *Error
	if !errors.As(err, &f) {
		f = k.conn.service.o.Fault(err, k.peer)
	}
	e := NewEncoder(nil)
	e.Text(CleanText(f.Message))
	return k.conn.transport.send(k.message(godbus.TypeError, "s", f.Name, e.Bytes()))
}

// ReplyFile replies to the call with one descriptor. It does not close the file.
func (k *Call) ReplyFile(file *os.File) error {
	e := NewEncoder(nil)
	e.Uint32(0)
	return k.conn.transport.sendFile(AppendMessage(nil, &Header{
		Kind: godbus.TypeMethodReply, Flags: godbus.FlagNoReplyExpected, Serial: k.conn.Serial(),
		Destination: k.Sender, Signature: "h", ReplySerial: k.Serial, Files: 1,
	}, e.Bytes()), file)
}

// cause returns why the context of the call ended, if that is what err reports.
func (k *Call) cause(err error) error {
	if k.peer.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Cause(k.peer.ctx)
	}
	return err
}

func (k *Call) message(kind godbus.Type, signature, errorName string, body []byte) []byte {
	return AppendMessage(nil, &Header{
		Kind: kind, Flags: godbus.FlagNoReplyExpected, Serial: k.conn.Serial(), ErrorName: errorName,
		Destination: k.Sender, Signature: signature, ReplySerial: k.Serial,
	}, body)
}
