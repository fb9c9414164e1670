package core

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Core carries out the calls of all interfaces. It is safe for concurrent use. What it
// returns must be used by one goroutine.
type Core struct {
	*Guard

	feed        *feed.Feed
	access      *access.Policy
	log         *slog.Logger
	past        pasts
	quotas      quotas
	readers     readers
	expiries    limits.Throttle
	lastFailure atomic.Pointer[string] // the last logged reason why calls cannot be served
}

// New returns a Core that serves the events of a feed to the callers that the policy
// allows; nil: root and the service's user. With a nil log nothing is logged.
func New(f *feed.Feed, p *access.Policy, log *slog.Logger) *Core {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if p == nil {
		p = access.NewPolicy(access.Allowed{}, access.Allowed{}, log)
	}
	c := &Core{Guard: newGuard(log), feed: f, access: p, log: log}
	p.OnChange(c.recheck)
	return c
}

// Access is the policy: who may do what.
func (c *Core) Access() *access.Policy { return c.access }

// Register adds a format of frames. Call it before the feed is started.
func (c *Core) Register(e feed.Encoder) *feed.Format { return c.feed.Register(e) }

// Caller is the peer that calls, and the rules of the listener by which it does.
type Caller struct {
	access.Peer
	// ReadOnly: callers on this listener may not write events.
	ReadOnly bool
}

// reader is a call in progress that reads the events of every user.
type reader struct {
	peer   *access.Peer
	cancel context.CancelCauseFunc
}

// readers are all such calls. When a peer loses the right, its calls end.
type readers struct {
	mu   sync.Mutex
	open map[*reader]struct{}
}

func (r *reader) revoke() {
	r.cancel(&access.Denied{Peer: *r.peer, Action: access.ReadEvents, Reason: revokedReason})
}

// revokedReason is why a call ends whose right to read those events was revoked.
const revokedReason = "the right to read the events of every user was taken back; call again to read those of your own"

// read begins a call that reads events, and narrows its query to the events the caller
// may read. If the right to them is revoked, the context ends with an *access.Denied as
// its cause. Call leave when the call is over.
func (c *Core) read(ctx context.Context, who *Caller, q *Query) (_ context.Context, leave func(), err error) {
	if err := c.access.View(&who.Peer, &q.choice, q.allUsers); err != nil {
		return ctx, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if q.choice.UID != feed.AnyUID {
		return ctx, func() { cancel(context.Canceled) }, nil
	}
	r := &reader{peer: &who.Peer, cancel: cancel}
	c.readers.mu.Lock()
	defer c.readers.mu.Unlock()
	if c.readers.open == nil {
		c.readers.open = make(map[*reader]struct{})
	}
	c.readers.open[r] = struct{}{}
	if !c.access.ReadsAll(r.peer) { // it was revoked meanwhile
		r.revoke()
	}
	return ctx, func() {
		c.readers.mu.Lock()
		delete(c.readers.open, r)
		c.readers.mu.Unlock()
		cancel(context.Canceled)
	}, nil
}

// recheck ends the calls that read more than their peers may now.
func (c *Core) recheck() {
	c.readers.mu.Lock()
	defer c.readers.mu.Unlock()
	for r := range c.readers.open {
		if !c.access.ReadsAll(r.peer) {
			r.revoke()
		}
	}
}

// cause returns why the context of a call ended, if that is what err reports.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}
