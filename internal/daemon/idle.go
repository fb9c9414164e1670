package daemon

import (
	"sync"
	"time"
)

// idleClock reports when nothing has needed the service for a while. It is the
// activity of the interfaces: connections, calls, subscriptions, streams and the
// broadcast on a session bus.
type idleClock struct {
	after time.Duration
	// expired gets one when nothing has gone on for that long.
	expired chan struct{}

	mu    sync.Mutex
	busy  int
	timer *time.Timer // runs while nothing goes on, nil: not started
}

func newIdleClock(after time.Duration) *idleClock {
	return &idleClock{after: after, expired: make(chan struct{}, 1)}
}

// start begins to wait, if nothing goes on.
func (c *idleClock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.after, c.expire)
	if c.busy > 0 {
		c.timer.Stop()
	}
}

// Begin counts something that needs the service.
func (c *idleClock) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	if c.busy == 1 && c.timer != nil {
		c.timer.Stop()
	}
}

// End counts one less.
func (c *idleClock) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if c.busy == 0 && c.timer != nil {
		c.timer.Reset(c.after)
	}
}

// isBusy reports whether anything needs the service now.
func (c *idleClock) isBusy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy > 0
}

func (c *idleClock) expire() {
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
func (c *idleClock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
