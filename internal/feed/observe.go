package feed

import "time"

// Observer is notified of what happens in a feed. Its methods are called from any
// goroutine, Emitted with a lock held: they must neither block nor call the feed.
type Observer interface {
	// Emitted is called when the store has reported new records, which belong to the
	// feed. lost: others may have been lost before them.
	Emitted(records []Record, lost bool)
	// FellBehind is called when a subscriber has to continue from the store, because
	// its next events are no longer in memory.
	FellBehind()
	// Wrote is called when a write has ended, with its result.
	Wrote(events int, took time.Duration, err error)
}

// Observe sets the observer of the feed. Call it before Start.
func (f *Feed) Observe(o Observer) { f.observer = o }

// SubscribersByInterface returns how many subscriptions are open, by Request.Interface,
// including unlisted ones.
func (f *Feed) SubscribersByInterface() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	by := make(map[string]int)
	for s := range f.subs {
		by[s.request.Interface]++
	}
	return by
}
