package store

import "context"

// Prober is a store that can prove that it is alive: that its follower would
// notice a new event, and would tell it. Stores that have no follower of their
// own need not be one.
type Prober interface {
	// Probe returns nil once the follower has gone round once more, through
	// the locks that it takes for an event, and the context's error if it has
	// not by then. A store that cannot be read, and knows it, is alive.
	Probe(ctx context.Context) error
}
