package dbus

import (
	"context"
	"io"
	"sync"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// subscription sends events to one peer, from its own goroutine. It ends when the peer
// unsubscribes or leaves the bus, or when no more events can follow: then the peer is
// sent the reason.
type subscription struct {
	server *Server
	peer   *dbuswire.Peer
	token  string
	path   string
	signal signal
	flow   *dbuswire.Flow
	events *core.Stream
	give   func() // back to the quota

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when nothing more is sent

	cursor   string // after the last event that was sent
	sequence uint64
}

// start begins to send, in a goroutine that the connection waits for when it ends.
func (s *subscription) start() { s.peer.Conn().Go(s.run) }

func (s *subscription) run() {
	defer close(s.done)
	defer s.remove()
	defer s.events.Close()
	defer s.cancel(nil)
	err := s.server.core.Run("a subscription", who(s.peer), s.follow)
	if errors.Is(err, errUnsubscribed) || dbuswire.IsUnanswerable(err) {
		return
	}
	_ = s.sendEnd(err)
}

// follow sends events until there are no more.
func (s *subscription) follow() error {
	if !s.events.Past() {
		if err := s.sendLive(); err != nil {
			return err
		}
	}
	for {
		delivery, err := s.events.Next(s.ctx)
		if err != nil {
			s.cursor = s.events.Cursor()
			return err
		}
		if err := s.send(delivery); err != nil {
			return err
		}
		s.cursor = s.events.Cursor()
		if delivery.Live {
			if err := s.sendLive(); err != nil {
				return err
			}
		}
	}
}

// buffers are reused for sending signals.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, limits.DBusBatch+limits.DBusEvent/4)
	return &b
}}

// send sends the events of a delivery, in writes of about limits.DBusBatch.
func (s *subscription) send(d *feed.Delivery) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	b, last := (*buffer)[:0], (*feed.Record)(nil)
	for i, part := range d.Frames {
		for n := 0; len(part) > 0; n++ {
			var body []byte
			var detailsAt int
			body, detailsAt, part = nextFrame(part)
			s.sequence++
			last = &d.Records[i][n]
			before := len(b)
			b = s.signal.appendNumbered(b, s.peer.Conn().Serial(), body, detailsAt, s.sequence)
			if !s.flow.Count(len(b)-before) && len(b) < limits.DBusBatch {
				continue
			}
			if err := s.flush(b, last); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	*buffer = b
	if len(b) == 0 {
		return nil
	}
	return s.flush(b, last)
}

// flush writes the buffer, which ends with the signal of the record last, as soon as
// the peer reads.
func (s *subscription) flush(b []byte, last *feed.Record) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.cursor = string(last.Cursor)
	return s.write(b)
}

// write writes as soon as the peer reads.
func (s *subscription) write(b []byte) error {
	err := s.flow.Send(s.ctx, b)
	if err != nil && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

// sendLive marks the end of history: no event sent before it is new, and every later
// one is.
func (s *subscription) sendLive() error {
	e := dbuswire.NewEncoder(nil)
	e.Text(s.cursor)
	e.Uint64(s.sequence)
	m := s.message("Live", "st", e.Bytes())
	s.flow.Count(len(m))
	return s.write(m)
}

// sendEnd notifies the peer that nothing more follows, and why; the name is empty if
// everything asked for has been sent.
func (s *subscription) sendEnd(err error) error {
	name, message := "", ""
	if !errors.Is(err, io.EOF) {
		f := s.server.spell(err, s.peer, s.cursor)
		name, message = f.Name, f.Message
	}
	e := dbuswire.NewEncoder(nil)
	e.Text(name)
	e.Text(dbuswire.CleanText(message))
	e.Text(s.cursor)
	return s.peer.Conn().Send(s.message("Ended", "sss", e.Bytes()))
}

// message returns a signal of the subscription other than Event.
func (s *subscription) message(member, signature string, body []byte) []byte {
	return dbuswire.AppendMessage(nil, &dbuswire.Header{
		Kind: godbus.TypeSignal, Flags: godbus.FlagNoReplyExpected, Serial: s.peer.Conn().Serial(), Path: s.path,
		Interface: eventsInterface, Member: member, Destination: s.peer.Name(), Signature: signature,
	}, body)
}
