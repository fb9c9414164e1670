package dbuswire

import (
	"context"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// A Flow sends signals to one peer no faster than the peer reads them: a bus drops what
// a receiver does not read, or disconnects it. After every limits.SignalWindow bytes
// the peer is pinged (org.freedesktop.DBus.Peer.Ping), and its library replies once it
// has read everything sent before. A Flow is used by one goroutine.
type Flow struct {
	conn         *Conn
	peer         *Peer
	unanswered   int       // pings without a reply
	acknowledged chan bool // gets one element for each reply; false: the bus refused the ping
}

// NewFlow returns a flow to the peer. A peer may have several.
func (p *Peer) NewFlow() *Flow {
	return &Flow{conn: p.conn, peer: p, acknowledged: make(chan bool, limits.SignalWindows)}
}

// Count counts bytes that were appended to the next Send. It reports whether it is time
// to call Send.
func (f *Flow) Count(bytes int) (due bool) {
	return f.peer.unacked.Add(int64(bytes)) >= limits.SignalWindow
}

// Send writes messages, and returns when more may be sent. After an error of the bus,
// whether they were sent is unknown. After the context's error, or ErrLimitsExceeded
// for a peer that has read nothing for the write timeout, they were sent.
func (f *Flow) Send(ctx context.Context, b []byte) error {
	b, _ = f.appendPing(b)
	if err := f.conn.Send(b); err != nil {
		return err
	}
	return f.awaitReader(ctx)
}

// ping is a ping without a reply. The bus counts calls without a reply, and refuses
// more than some number of them. We refuse slightly fewer, so that no peer or user can
// use up what others need.
type ping struct {
	peer *Peer
	flow *Flow
}

// pings are the pings without a reply. They are guarded by Conn.mu.
type pings struct {
	open   map[uint32]ping // by serial
	fewer  chan struct{}   // closed when there is one less; nil: no flow waits
	warned bool            // peers that may not be pinged were logged
}

// mayPing reports whether a peer can be pinged now. The second half of all pings, and
// of those to one user, is reserved for peers that have none. It is called with the
// lock held.
func (c *Conn) mayPing(p *Peer) bool {
	if p.gone || p.pings >= limits.PingsPerSender {
		return false
	}
	share := 1
	if p.pings > 0 {
		share = 2
	}
	most := limits.Pings
	if p.user.bounded() {
		if p.user.pings >= limits.PingsPerUID/share {
			return false
		}
		most -= most / limits.TrustedShare
	}
	return len(c.pings.open) < most/share
}

// appendPing appends a ping to what is sent to the peer, if one is due. If the peer
// cannot be pinged now, fewer is closed when that may have changed.
func (f *Flow) appendPing(b []byte) (out []byte, fewer <-chan struct{}) {
	c, p := f.conn, f.peer
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.unacked.Load() < limits.SignalWindow, f.unanswered >= limits.SignalWindows:
		return b, nil
	case p.noPings:
		p.unacked.Store(0)
		return b, nil
	case !c.mayPing(p):
		if c.pings.fewer == nil {
			c.pings.fewer = make(chan struct{})
		}
		return b, c.pings.fewer
	}
	serial := c.Serial()
	c.pings.open[serial] = ping{p, f}
	p.pings++
	p.user.pings++
	p.unacked.Store(0)
	f.unanswered++
	return AppendMessage(b, &Header{
		Kind: godbus.TypeMethodCall, Flags: godbus.FlagNoAutoStart, Serial: serial, Path: "/", Interface: PeerInterface,
		Member: "Ping", Destination: p.name,
	}, nil), nil
}

// closePing removes a ping. It is called with the lock held.
func (c *Conn) closePing(serial uint32, q ping) {
	delete(c.pings.open, serial)
	q.peer.pings--
	q.peer.user.pings--
	if c.pings.fewer != nil {
		close(c.pings.fewer)
		c.pings.fewer = nil
	}
}

// dropPings removes the pings to a peer that has left. It is called with the lock held.
func (c *Conn) dropPings(p *Peer) {
	for serial, q := range c.pings.open {
		if q.peer == p {
			c.closePing(serial, q)
		}
	}
}

// answered is called by the reading goroutine for replies and errors. It reports
// whether this was the reply to a ping. An error counts as a reply if the peer itself
// sent it. One from the bus does not: it has not passed the ping on.
func (c *Conn) answered(h *Header) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.pings.open[h.ReplySerial]
	if !ok || h.Sender != q.peer.name && h.Sender != busName {
		return false
	}
	c.closePing(h.ReplySerial, q)
	reads := true
	if h.Sender == busName {
		switch h.ErrorName {
		case ErrAccessDenied:
			q.peer.noPings = true
			c.warnOfNoPings()
		case ErrLimitsExceeded:
			reads = false
		}
	}
	select {
	case q.flow.acknowledged <- reads:
	default:
	}
	return true
}

// warnOfNoPings logs once that peers cannot be pinged. It is called with the lock held.
func (c *Conn) warnOfNoPings() {
	if c.pings.warned {
		return
	}
	c.pings.warned = true
	c.service.log.Warn("cannot ping D-Bus subscribers, so the bus may drop signals for one that does not read; "+
		"let the service send "+PeerInterface+".Ping in the policy of the bus", "bus", c.service.o.Bus)
}

// awaitReader returns when the peer has shown that it reads, as far as is due. It does
// not wait for ever: a peer that reads and never replies gets an error.
func (f *Flow) awaitReader(ctx context.Context) error {
	if f.unanswered < limits.SignalWindows && f.peer.unacked.Load() < limits.SignalWindow {
		return nil
	}
	timeout := time.Duration(f.conn.service.writeTimeout.Load())
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		b, fewer := f.appendPing(nil)
		if len(b) > 0 {
			if err := f.conn.Send(b); err != nil {
				return err
			}
		}
		if fewer == nil && f.unanswered < limits.SignalWindows {
			return nil
		}
		select {
		case reads := <-f.acknowledged:
			f.unanswered--
			if reads {
				timer.Reset(timeout)
				continue
			}
			sleep.For(ctx, limits.PingPause)
			f.peer.unacked.Store(limits.SignalWindow)
		case <-fewer:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return &Error{ErrLimitsExceeded, "the subscriber has read nothing for " + timeout.String() +
				", or does not answer " + PeerInterface + ".Ping; subscribe again after the last cursor"}
		}
	}
}
