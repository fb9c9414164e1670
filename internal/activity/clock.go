package activity

import (
	"context"
	"sync"
	"time"
)

// Clock is a Counter that notices when nothing has gone on for a while. It is safe
// for concurrent use.
type Clock struct {
	after   time.Duration
	expired chan struct{} // gets one when nothing has gone on for that long

	mu    sync.Mutex
	busy  int
	timer *time.Timer // runs while nothing goes on, nil: not started
}

// NewClock returns a clock that has not started yet.
func NewClock(after time.Duration) *Clock {
	return &Clock{after: after, expired: make(chan struct{}, 1)}
}

// Acceptor is what lets clients in.
type Acceptor interface {
	// Pause lets no client in, and Resume lets them in again.
	Pause()
	Resume()
	// Retire lets none in for good, unless one came before Pause: then it returns
	// false.
	Retire() bool
}

// AwaitIdle returns true once nothing has gone on for the time of the clock, with
// the acceptor retired, so that no client is lost; false: the context is done. It is
// called once.
func (c *Clock) AwaitIdle(ctx context.Context, accept Acceptor) bool {
	c.start()
	defer c.stop()
	for {
		select {
		case <-c.expired:
		case <-ctx.Done():
			return false
		}
		accept.Pause()
		if !c.isBusy() && accept.Retire() {
			return true
		}
		accept.Resume()
	}
}

// start begins to wait, if nothing goes on.
func (c *Clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.after, c.expire)
	if c.busy > 0 {
		c.timer.Stop()
	}
}

// Begin counts something that needs the service.
func (c *Clock) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	if c.busy == 1 && c.timer != nil {
		c.timer.Stop()
	}
}

// End counts one less.
func (c *Clock) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if c.busy == 0 && c.timer != nil {
		c.timer.Reset(c.after)
	}
}

// isBusy reports whether anything needs the service now.
func (c *Clock) isBusy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy > 0
}

func (c *Clock) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy > 0 {
		return // it began in the moment in which the time ran out
	}
	select {
	case c.expired <- struct{}{}:
	default:
	}
}

// stop ends the clock.
func (c *Clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
