package activity

import (
	"context"
	"sync"
	"time"
)

// Clock is a Counter that notices when nothing has needed the service for a while. It
// is safe for concurrent use.
type Clock struct {
	after   time.Duration
	expired chan struct{} // gets one element when nothing has needed the service for that long

	mu    sync.Mutex
	busy  int
	timer *time.Timer // runs while nothing needs the service, nil: not started
}

// NewClock returns a clock that has not started yet.
func NewClock(after time.Duration) *Clock {
	return &Clock{after: after, expired: make(chan struct{}, 1)}
}

// Acceptor accepts clients.
type Acceptor interface {
	// Pause stops accepting clients, and Resume accepts them again.
	Pause()
	Resume()
	// Retire stops accepting for good, unless a client connected before Pause: then it
	// returns false.
	Retire() bool
}

// AwaitIdle returns true when nothing has needed the service for the time of the clock,
// with the acceptor retired, so that no client is lost; false if the context is done.
// Call it once.
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

// start starts the timer, if nothing needs the service.
func (c *Clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.after, c.expire)
	if c.busy > 0 {
		c.timer.Stop()
	}
}

// Begin counts one more thing that needs the service.
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
		return // it began just when the time ran out
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
