package dbus

import (
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// broadcast sends the events of the service's user to every client that listens on the
// main object of a session bus, until the connection ends.
func (s *Server) broadcast(c *dbuswire.Conn) {
	if !c.IsSession() {
		return
	}
	ctx := c.Context()
	var last string // the last error logged
	for {
		var began bool
		err := s.core.Run("the broadcast", new(access.Peer), func() (err error) {
			began, err = s.broadcastOnce(c)
			return err
		})
		if ctx.Err() != nil || errors.Is(err, feed.ErrClosed) {
			return
		}
		level, pause := slog.LevelWarn, limits.BusBackoffMost
		if began {
			// Lost events stay lost; new ones are sent.
			pause = limits.BusBackoffFirst
		} else if err.Error() == last {
			level = slog.LevelDebug
		}
		last = err.Error()
		s.log.Log(ctx, level, "events are not broadcast now", "error", err, "retryIn", pause)
		sleep.For(ctx, pause)
	}
}

// broadcastOnce sends events from now on. It reports whether it could begin, and why it
// ended.
func (s *Server) broadcastOnce(c *dbuswire.Conn) (began bool, err error) {
	subscription, err := s.core.Broadcast(c.Context(), s.signals, "dbus-broadcast")
	if err != nil {
		return false, err
	}
	defer subscription.Close()
	// It is not known whether a client listens, so the service does not count as idle.
	s.activity.Begin()
	defer s.activity.End()
	event := newSignal(eventsPath, "")
	b := make([]byte, 0, limits.DBusBatch+limits.DBusEvent)
	for {
		delivery, err := subscription.Next(c.Context())
		if err != nil {
			return true, err
		}
		b = b[:0]
		for _, part := range delivery.Frames {
			for len(part) > 0 {
				var body []byte
				body, _, part = nextFrame(part)
				b = event.append(b, c.Serial(), body)
				if len(b) < limits.DBusBatch {
					continue
				}
				if err := c.Send(b); err != nil {
					return true, err
				}
				b = b[:0]
			}
		}
		if len(b) > 0 {
			if err := c.Send(b); err != nil {
				return true, err
			}
		}
	}
}
