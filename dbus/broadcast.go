package dbus

import (
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// broadcast sends the events of the user of the service to every client that
// listens on the main object, until the connection ends.
func (c *conn) broadcast() {
	var last string // what was last complained about
	for {
		var began bool
		err := c.server.guard.Run("the broadcast", new(access.Peer), func() (err error) {
			began, err = c.broadcastOnce()
			return err
		})
		if c.ctx.Err() != nil || errors.Is(err, feed.ErrClosed) {
			return
		}
		level, pause := slog.LevelWarn, limits.BusBackoffMost
		if began {
			// What was lost is lost; what is new goes on.
			pause = limits.BusBackoffFirst
		} else if err.Error() == last {
			level = slog.LevelDebug
		}
		last = err.Error()
		c.server.log.Log(c.ctx, level, "events are not broadcast now", "bus", c.server.bus, "error", err, "retryIn", pause)
		wait(c.ctx, pause)
	}
}

// broadcastOnce sends events from now on. It reports whether it could begin, and
// why it ended.
func (c *conn) broadcastOnce() (began bool, err error) {
	query := feed.Everything()
	if err := c.server.access.Own(&query); err != nil {
		return false, err
	}
	s, err := c.server.feed.Subscribe(c.ctx, feed.Request{
		Query: query, Format: c.server.signals, Unlisted: true, Face: "dbus-broadcast",
	})
	if err != nil {
		return false, err
	}
	defer s.Close()
	// Nobody can tell who listens to it, so the service is not idle.
	c.server.activity.Begin()
	defer c.server.activity.End()
	event := newSignal(eventsPath, "")
	b := make([]byte, 0, limits.DBusBatch+limits.DBusEvent)
	for {
		delivery, err := s.Next(c.ctx)
		if err != nil {
			return true, err
		}
		b = b[:0]
		for _, part := range delivery.Frames {
			for len(part) > 0 {
				var body []byte
				body, _, part = nextFrame(part)
				b = event.append(b, c.transport.GetSerial(), body)
				if len(b) < limits.DBusBatch {
					continue
				}
				if err := c.transport.send(b); err != nil {
					return true, err
				}
				b = b[:0]
			}
		}
		if len(b) > 0 {
			if err := c.transport.send(b); err != nil {
				return true, err
			}
		}
	}
}
