package dbus

import (
	"context"
	"io"
	"sync"

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

	history bool // it begins in the past

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when nothing more is sent

	cursor       string // where it is: behind the last event that was sent
	sequence     uint64
	open         int       // questions that have no answer yet
	acknowledged chan bool // gets one for each answer; false: the bus did not let us ask
}

// start begins to send. It is called by a goroutine that conn.close waits for.
func (s *subscription) start() { s.conn.goroutines.Go(s.run) }

func (s *subscription) run() {
	defer close(s.done)
	defer s.remove()
	defer s.feed.Close()
	defer s.cancel(nil)
	err := s.conn.server.guard.Run("a subscription", &s.peer.Peer, s.follow)
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
	leave := func() {}
	if s.history {
		var err error
		if leave, err = s.conn.server.access.ReadPast(s.ctx, &s.peer.Peer); err != nil {
			return err
		}
		defer leave()
	}
	for {
		delivery, err := s.feed.Next(s.ctx)
		if err == nil {
			if delivery.Live {
				leave()
			}
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
			if s.peer.unproven.Add(int64(len(b)-before)) >= limits.SignalWindow {
				b, _ = s.ask(b)
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
	return s.awaitReader()
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
