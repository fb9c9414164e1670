package dbuswire

import (
	"fmt"
	"sync"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// refusals are replies to refused calls. A goroutine of their own writes them, because
// the reading goroutine must not wait for the bus.
type refusals struct {
	mu       sync.Mutex
	messages []byte
	changed  chan struct{}
}

// refuse replies to a call that is not accepted.
func (c *Conn) refuse(h *Header, name, reason string) {
	if h.Flags&godbus.FlagNoReplyExpected != 0 || h.Sender == "" {
		return
	}
	e := NewEncoder(nil)
	e.Text(reason)
	c.refusals.mu.Lock()
	defer c.refusals.mu.Unlock()
	if len(c.refusals.messages) > limits.Refused {
		return
	}
	c.refusals.messages = AppendMessage(c.refusals.messages, &Header{
		Kind: godbus.TypeError, Flags: godbus.FlagNoReplyExpected, Serial: c.Serial(),
		ErrorName: name, Destination: h.Sender, Signature: "s", ReplySerial: h.Serial,
	}, e.Bytes())
	select {
	case c.refusals.changed <- struct{}{}:
	default:
	}
}

func (c *Conn) refuseLong(h Header) {
	c.refuse(&h, ErrLimitsExceeded, fmt.Sprintf("the call is longer than %d bytes", limits.DBusMessage))
}

// sendRefusals writes refusals as they are queued.
func (c *Conn) sendRefusals() {
	for {
		select {
		case <-c.refusals.changed:
		case <-c.ctx.Done():
			return
		}
		c.flushRefusals()
	}
}

// flushRefusals writes the queued refusals.
func (c *Conn) flushRefusals() {
	c.refusals.mu.Lock()
	messages := c.refusals.messages
	c.refusals.messages = nil
	c.refusals.mu.Unlock()
	if len(messages) > 0 {
		_ = c.transport.send(messages)
	}
}
