package feed

import "context"

// Probe returns nil once the feed has shown that it is alive: that a new event
// would be noticed, read and handed to subscribers. It goes through the store's
// follower and its lock, and through that of the feed. If something there does
// not move, it returns the context's error, or never.
func (f *Feed) Probe(ctx context.Context) error {
	if err := f.st.Probe(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return ctx.Err()
}

// OnSubscribers has a function called whenever a subscriber has come or gone. It
// has to be called before Start. The function is called with a lock held: it
// must not call the feed, nor wait.
func (f *Feed) OnSubscribers(changed func()) { f.changed = changed }
