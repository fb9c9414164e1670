package feed

import "time"

// Observer is notified of what goes on in a feed. Its methods are called from every goroutine
// whose work it is, Emitted with a lock held: they must not wait, nor call the
// feed.
type Observer interface {
	// Emitted is called when the store has reported something new: records, which
	// belong to the feed, and whether others may have been lost before them.
	Emitted(records []Record, lost bool)
	// FellBehind is called when a subscriber that followed goes on from the
	// store, because memory no longer has what comes next.
	FellBehind()
	// Wrote is called when writing events has ended, and how.
	Wrote(events int, took time.Duration, err error)
}

// Observe sets the observer of the feed. It has to be called before Start.
func (f *Feed) Observe(o Observer) { f.observer = o }

// SubscribersByInterface returns how many subscriptions are open, by what their
// requests call Interface, those included that are not listed.
func (f *Feed) SubscribersByInterface() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	by := make(map[string]int)
	for s := range f.subs {
		by[s.request.Interface]++
	}
	return by
}
