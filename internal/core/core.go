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

// Core does what the calls of all interfaces ask for. It is safe for concurrent
// use. What it returns belongs to one goroutine.
type Core struct {
	*Guard

	feed        *feed.Feed
	access      *access.Policy
	log         *slog.Logger
	past        pasts
	quotas      quotas
	readers     readers
	expiries    limits.Throttle
	lastFailure atomic.Pointer[string] // what was last logged of what keeps calls from being served
}

// New returns what serves the events of a feed to those whom a policy lets have
// them; nil: root and the user of the service. With a nil log nothing is logged.
func New(f *feed.Feed, p *access.Policy, log *slog.Logger) *Core {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if p == nil {
		p = access.NewPolicy(access.Allowed{}, access.Allowed{}, log)
	}
	c := &Core{Guard: NewGuard(log), feed: f, access: p, log: log}
	p.OnChange(c.recheck)
	return c
}

// Access is who may do what.
func (c *Core) Access() *access.Policy { return c.access }

// Register makes a form of frames known. It has to be called before the feed is
// started.
func (c *Core) Register(e feed.Encoder) *feed.Format { return c.feed.Register(e) }

// Caller is the peer that calls, and what holds for the way by which it does.
type Caller struct {
	access.Peer
	// ReadOnly says that no caller may write events by this way.
	ReadOnly bool
}

// reader is a call that reads the events of every user, while it does.
type reader struct {
	peer   *access.Peer
	cancel context.CancelCauseFunc
}

// readers are all of them, so that a right that is taken back ends what it let
// begin.
type readers struct {
	mu   sync.Mutex
	open map[*reader]struct{}
}

func (r *reader) revoke() {
	r.cancel(&access.Denied{Peer: *r.peer, Action: access.ReadEvents, Reason: revokedReason})
}

// revokedReason is why a call ends whose right to read what it reads was taken back.
const revokedReason = "the right to read the events of every user was taken back; call again to read those of your own"

// read begins a call that reads events, and narrows its query to those that the
// caller gets. The context ends with an *access.Denied as its cause when the
// right to them is taken back. leave has to be called when the call is over.
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
	if !c.access.ReadsAll(r.peer) { // it was taken back meanwhile
		r.revoke()
	}
	return ctx, func() {
		c.readers.mu.Lock()
		delete(c.readers.open, r)
		c.readers.mu.Unlock()
		cancel(context.Canceled)
	}, nil
}

// recheck ends the calls that read more than their peers still may.
func (c *Core) recheck() {
	c.readers.mu.Lock()
	defer c.readers.mu.Unlock()
	for r := range c.readers.open {
		if !c.access.ReadsAll(r.peer) {
			r.revoke()
		}
	}
}

// cause returns why the context of a call ended, if that is the error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}
