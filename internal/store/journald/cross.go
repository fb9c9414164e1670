//go:build systemd && cgo

package journald

import (
	"slices"

	"github.com/pkg/errors"
)

// reopenLocked opens the journal anew, with the files that it has now.
func (s *Store) reopenLocked() error {
	h, err := s.openPodman()
	if err != nil {
		return err
	}
	if err := h.readable(); err != nil {
		h.close()
		return err
	}
	if s.h != nil {
		s.h.close()
	}
	s.h = h
	s.oldest.look(h.dirs)
	return nil
}

// openPodman opens the journal for the entries of podman.
func (s *Store) openPodman() (*handle, error) {
	h, err := s.openHandle()
	if err != nil {
		return nil, err
	}
	if err := h.setMatches(ofPodman); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// crossLocked goes on with the files that the journal has now. Those that only
// got another name are read to their end first.
func (s *Store) crossLocked(looked uint64) error {
	before := s.oldest
	var rest []found
	if s.h.look() == nil {
		before.noteTail()
		if all, err := s.readTo(s.h, nil); err == nil {
			rest, before.seen = all, looked
		} else if !errors.Is(err, errStale) {
			return err
		}
	}
	h, err := s.openPodman()
	if err != nil {
		return err
	}
	var end *place
	if len(rest) > 0 {
		end = &rest[len(rest)-1].place
		again, err := s.readTo(h, end)
		if err != nil {
			h.close()
			return err
		}
		rest = append(rest, again...)
		slices.SortStableFunc(rest, func(a, b found) int { return a.place.compare(&b.place) })
	}
	lost := s.oldest.look(h.dirs) && !s.oldest.continues(&before)
	s.h.close()
	s.h = h
	s.oldest.seen, s.oldest.source, s.oldest.tailSeq = before.seen, before.source, before.tailSeq
	if lost {
		s.oldest.seen = looked // it is told once
		s.log.Warn("files of the journal were removed before they had been read: events may have been lost")
	}
	if len(rest) > 0 || lost {
		s.deliver(rest, end, lost)
	}
	return nil
}
