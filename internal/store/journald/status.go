//go:build systemd && cgo

package journald

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// ends caches the oldest and the newest event. Podman also logs messages that are not
// events, such as each call to its API, and skipping them each time takes long.
type ends struct {
	mu sync.Mutex

	first     sdjournal.Key // of the oldest entry of podman, for which the following fields are valid
	hasFirst  bool          // there is one
	oldest    time.Time
	hasOldest bool
	noneTo    sdjournal.Place // if not: there is no event up to here

	newest    time.Time
	newestAt  uint64 // when journald received it, in µs since the epoch
	hasNewest bool
	newestTo  mark // it is the newest up to here
}

// Status returns the state of the store.
func (s *Store) Status() store.Status {
	_ = s.Look()
	s.mu.Lock()
	status := store.Status{Read: s.read, Written: s.written, Skipped: s.skipped, LastSkipped: s.lastSkip}
	if s.fault != nil {
		status.Fault = s.fault.Error()
	}
	s.mu.Unlock()
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	ctx := context.Background()
	err := s.findOldest(ctx)
	if err == nil {
		err = s.findNewest(ctx)
	}
	if err != nil && status.Fault == "" {
		status.Fault = err.Error()
	}
	if err == nil && s.ends.hasOldest {
		status.Oldest = s.ends.oldest
	}
	if err == nil && s.ends.hasNewest {
		status.Newest = s.ends.newest
	}
	if n, last := s.journal.Lacking(); n > 0 {
		status.Skipped += n
		if status.LastSkipped == "" {
			status.LastSkipped = last
		}
	}
	return status
}

// findOldest finds the oldest event, unless it is known.
func (s *Store) findOldest(ctx context.Context) error {
	e := &s.ends
	var first sdjournal.Place
	var ok bool
	err := retry(func() (err error) {
		first, ok, err = s.first()
		return err
	})
	if err != nil {
		return err
	}
	same := ok && e.hasFirst && first.Key == e.first && s.ofHost() // in other journals, older entries may be added later
	if !ok || same && e.hasOldest {
		e.hasFirst, e.hasOldest = ok, ok
		return nil
	}
	r := &reading{s: s, query: store.Everything(), most: 1}
	defer r.Close()
	if err := r.look(); err != nil {
		return err
	}
	if same {
		r.from, r.hasFrom = e.noneTo, true
	}
	if err := retry(func() error { return r.open(ctx) }); err != nil {
		return err
	}
	var b store.Batch
	switch err := r.Next(ctx, &b); {
	case err == nil:
		e.oldest, e.hasOldest = b.Records[0].When(), true
	case errors.Is(err, io.EOF):
		e.noneTo, e.hasOldest = r.base.place, false
	default:
		return err
	}
	e.first, e.hasFirst = first.Key, r.base.known
	return nil
}

// findNewest finds the newest event, unless it is known.
func (s *Store) findNewest(ctx context.Context) error {
	e := &s.ends
	s.mu.Lock()
	now := s.mark
	there := s.oldest.Reaches(e.newestAt)
	s.mu.Unlock()
	var known *mark
	if e.newestTo.known && there && s.ofHost() {
		known = &e.newestTo
	}
	if known != nil && now.pos == known.pos {
		return nil
	}
	var b store.Batch
	var rec *store.Record
	var at sdjournal.Place
	err := retry(func() (err error) {
		rec, at, err = s.last(ctx, store.Everything(), &b, known)
		return err
	})
	switch {
	case err == nil:
		e.newest, e.newestAt, e.hasNewest = rec.When(), at.Realtime, true
	case !errors.Is(err, events.ErrEventNotFound):
		return err
	case known == nil:
		e.newestAt, e.hasNewest = 0, false
	}
	e.newestTo = now
	return nil
}
