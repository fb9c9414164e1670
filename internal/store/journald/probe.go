//go:build systemd && cgo

package journald

import (
	"context"

	"github.com/pkg/errors"
)

// Probe makes the thread that watches the journal wake the follower, and waits until
// the follower has completed an iteration: it has read the journal, if there are
// subscribers, and was able to take its locks.
func (s *Store) Probe(ctx context.Context) error {
	w := s.watch.Load()
	if w == nil {
		return nil
	}
	// Two iterations, since one may have been in progress.
	for range 2 {
		next := w.Round()
		s.wakeUp()
		select {
		case <-next:
		case <-s.stop:
			return nil
		case <-ctx.Done():
			return errors.WithMessage(ctx.Err(), "cannot follow the journal: its reader is not responding")
		}
	}
	return nil
}
