package dbus

import (
	"context"
	"io"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// subscription sends events to one peer, from its goroutine. It ends when the
// peer unsubscribes or leaves the bus, or when there can be no more events:
// then the peer is told why.
type subscription struct {
	conn   *conn
	peer   *peer
	token  string
	path   string
	signal signal
	feed   *feed.Subscription

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when nothing more is sent

	cursor       string // where it is: behind the last event that was sent
	sequence     uint64
	unproven     int           // bytes sent since the peer was last asked whether it reads
	open         int           // questions that have no answer yet
	acknowledged chan struct{} // receives one for each answer

	pings []uint32 // below conn.mu: the questions that have no answer yet
}

// start begins to send. It is called by a goroutine that conn.close waits for.
func (s *subscription) start() { s.conn.goroutines.Go(s.run) }

func (s *subscription) run() {
	defer close(s.done)
	defer s.remove()
	defer s.feed.Close()
	defer s.cancel(nil)
	err := s.conn.server.guard("a subscription", &s.peer.Peer, s.follow)
	if s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(s.ctx)
	}
	if errors.Is(err, errUnsubscribed) || errors.Is(err, errGone) || errors.Is(err, errLost) {
		return
	}
	_ = s.sendEnd(err)
}

// follow sends events until there are no more.
func (s *subscription) follow() error {
	for {
		delivery, err := s.feed.Next(s.ctx)
		if err == nil {
			err = s.send(delivery)
		} else {
			s.cursor = s.feed.Cursor()
		}
		if err != nil {
			return err
		}
		s.cursor = s.feed.Cursor()
	}
}

// buffers are kept for sending signals.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, limits.DBusBatch+limits.DBusEvent/4)
	return &b
}}

// send sends the events of a delivery, in writes of about limits.DBusBatch.
func (s *subscription) send(d *feed.Delivery) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	b, events := (*buffer)[:0], 0
	for _, part := range d.Frames {
		for len(part) > 0 {
			var body []byte
			var detailsAt int
			body, detailsAt, part = nextFrame(part)
			s.sequence++
			events++
			before := len(b)
			b = s.signal.appendNumbered(b, s.conn.transport.GetSerial(), body, detailsAt, s.sequence)
			s.unproven += len(b) - before
			if s.unproven >= limits.SignalWindow {
				b = s.ask(b)
			} else if len(b) < limits.DBusBatch {
				continue
			}
			if err := s.flush(b, d.Records[events-1]); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	*buffer = b
	if len(b) == 0 {
		return nil
	}
	return s.flush(b, d.Records[events-1])
}

// flush writes what there is, up to the signal of a record, and waits if the
// peer has to show first that it reads.
func (s *subscription) flush(b []byte, last *feed.Record) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if err := s.conn.transport.send(b); err != nil {
		return err
	}
	s.cursor = string(last.Cursor)
	for s.open >= limits.SignalWindows {
		if err := s.awaitAnswer(); err != nil {
			return err
		}
	}
	return nil
}

// awaitAnswer waits until the peer has shown that it reads, but not for ever:
// one that does read and never answers has to be told.
func (s *subscription) awaitAnswer() error {
	patience := time.Duration(s.conn.server.patience.Load())
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.acknowledged:
		s.open--
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-timer.C:
		return standard(errLimitsExceeded, "the subscriber has read nothing for "+patience.String()+
			", or does not answer "+peerInterface+".Ping; subscribe again after the last cursor")
	}
}

// ask appends a question that the peer's library answers when it has read all
// in front of it.
func (s *subscription) ask(b []byte) []byte {
	s.unproven = 0
	serial := s.conn.transport.GetSerial()
	s.conn.mu.Lock()
	if s.peer.noPings {
		s.conn.mu.Unlock()
		return b
	}
	s.conn.pings[serial] = s
	s.pings = append(s.pings, serial)
	s.conn.mu.Unlock()
	s.open++
	return appendMessage(b, &header{
		kind: godbus.TypeMethodCall, flags: godbus.FlagNoAutoStart, serial: serial, path: "/", iface: peerInterface,
		member: "Ping", destination: s.peer.name,
	}, nil)
}

// answered is called by the reading goroutine for replies and errors. It tells
// whether this was the answer to a question whether somebody reads. An error is
// as good an answer as any, if it is the peer's own.
func (c *conn) answered(h *header) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.pings[h.replySerial]
	if s == nil || h.sender != s.peer.name && h.sender != busName {
		return false
	}
	delete(c.pings, h.replySerial)
	for i, serial := range s.pings {
		if serial == h.replySerial {
			s.pings = append(s.pings[:i], s.pings[i+1:]...)
			break
		}
	}
	if h.sender == busName && h.errorName == errAccessDenied {
		s.peer.noPings = true
		c.warnOfNoPings()
	}
	select {
	case s.acknowledged <- struct{}{}:
	default:
	}
	return true
}

// warnOfNoPings says once that subscribers cannot be asked. It is called with the
// lock held.
func (c *conn) warnOfNoPings() {
	if c.warned {
		return
	}
	c.warned = true
	c.server.log.Warn("cannot ask D-Bus subscribers whether they read, so the bus may drop signals for one that does not; "+
		"let the service send "+peerInterface+".Ping in the policy of the bus", "bus", c.server.bus)
}

// sendEnd tells the peer that nothing more comes, and why: with an empty name
// if everything that was asked for has been sent.
func (s *subscription) sendEnd(err error) error {
	name, message := "", ""
	if !errors.Is(err, io.EOF) {
		f := s.conn.server.faultOf(err, &s.peer.Peer, s.cursor)
		name, message = f.onBus(), f.message
	}
	e := newEncoder(nil)
	e.string(name)
	e.string(cleanText(message))
	e.string(s.cursor)
	return s.conn.transport.send(appendMessage(nil, &header{
		kind: godbus.TypeSignal, flags: godbus.FlagNoReplyExpected, serial: s.conn.transport.GetSerial(), path: s.path,
		iface: eventsInterface, member: "Ended", destination: s.peer.name, signature: "sss",
	}, e.bytes()))
}
