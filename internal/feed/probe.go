package feed

import "context"

// Probe returns nil once the feed has shown that it works: that a new event would be
// noticed, read and handed to subscribers. It passes through the store's follower and
// its lock, and through the feed's lock. If one of them is stuck, it returns the
// context's error, or never returns.
func (f *Feed) Probe(ctx context.Context) error {
	if err := f.st.Probe(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return ctx.Err()
}

// OnSubscribers sets a function that is called whenever a subscriber is added or
// removed. Call it before Start. The function is called with a lock held: it must
// neither call the feed nor block.
func (f *Feed) OnSubscribers(changed func()) { f.changed = changed }
