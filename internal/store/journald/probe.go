//go:build systemd && cgo

package journald

import (
	"context"

	"github.com/pkg/errors"
)

// Probe has the thread that watches the journal wake the follower, and waits
// until that has gone round: it has looked at the journal, if there are
// subscribers, and could take its locks.
func (s *Store) Probe(ctx context.Context) error {
	w := s.watch.Load()
	if w == nil {
		return nil
	}
	// Two rounds, as one may have been under way.
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
