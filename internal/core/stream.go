package core

import (
	"context"

	"github.com/eventsvc/eventsvc/internal/feed"
)

// Stream delivers events as they arrive, after past ones if those are asked for, until
// Close is called. It is not safe for concurrent use.
type Stream struct {
	*feed.Subscription
	ctx   context.Context
	past  bool
	leave func()
}

// Subscribe begins a stream of frames in a format. No matching event is missed once it
// has returned. It waits for the caller's turn if past events are asked for. The
// interface's name is for statistics.
func (c *Core) Subscribe(ctx context.Context, who *Caller, q Query, format *feed.Format, name string) (*Stream, error) {
	ctx, leave, err := c.read(ctx, who, &q)
	if err != nil {
		return nil, err
	}
	subscribed := false
	defer func() {
		if !subscribed { // it failed, or the store panicked
			leave()
		}
	}()
	s, err := c.feed.Subscribe(ctx, feed.Request{
		Query: q.choice, History: q.past, After: q.after, Until: q.until, Format: format, Interface: name, Past: c.newPast(&who.Peer),
	})
	if err != nil {
		return nil, cause(ctx, err)
	}
	subscribed = true
	return &Stream{Subscription: s, ctx: ctx, past: q.past, leave: leave}, nil
}

// Context ends when the caller's does, or when the caller loses the right to the
// events. Its cause says which.
func (s *Stream) Context() context.Context { return s.ctx }

// Past reports whether the stream begins with past events: a delivery with Live marks
// their end.
func (s *Stream) Past() bool { return s.past }

// Next is feed.Subscription.Next. The context must be that of the stream or derived
// from it. If the stream's has ended, the error is its cause.
func (s *Stream) Next(ctx context.Context) (*feed.Delivery, error) {
	d, err := s.Subscription.Next(ctx)
	if err != nil {
		err = cause(s.ctx, err)
	}
	return d, err
}

// Close ends the stream.
func (s *Stream) Close() {
	s.Subscription.Close()
	s.leave()
}

// Broadcast begins a stream of the new events of the service's own user, for every
// client that listens. It does not count as a subscriber.
func (c *Core) Broadcast(ctx context.Context, format *feed.Format, name string) (*feed.Subscription, error) {
	query := feed.Everything()
	if err := c.access.Own(&query); err != nil {
		return nil, err
	}
	return c.feed.Subscribe(ctx, feed.Request{Query: query, Format: format, Unlisted: true, Interface: name})
}
