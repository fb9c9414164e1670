//go:build systemd && cgo

package journald

import (
	"slices"

	"github.com/pkg/errors"
)

// reopen opens the journal anew, with the files that it has now.
func (s *Store) reopen() error {
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
	s.mu.Lock()
	defer s.mu.Unlock()
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

// cross goes on with the files that the journal has now. Those that only got
// another name are read to their end first, if that is not too far.
func (s *Store) cross(looked uint64) error {
	before := s.oldest
	var rest []found
	whole := false
	if s.h.look() == nil {
		before.noteTail()
		if all, _, err := s.readTo(s.h, nil, crossSize); err == nil {
			rest, whole = all, size(all) < crossSize
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
		again, reached, err := s.readTo(h, &rest[len(rest)-1].place, crossSize)
		if err != nil {
			h.close()
			return err
		}
		end, whole = &reached, whole && size(again) < crossSize
		rest = append(rest, again...)
		slices.SortStableFunc(rest, func(a, b found) int { return a.place.compare(&b.place) })
		limit := mark{place: reached, known: true}
		rest = slices.DeleteFunc(rest, func(f found) bool { return s.beyond(&f.place, &limit) })
	}
	s.h.close()
	s.h = h
	if whole {
		before.seen = looked
	}
	lost := s.oldestAfter(&before, looked)
	if lost {
		s.log.Warn("files of the journal were removed before they had been read: events may have been lost")
	}
	if len(rest) > 0 || lost {
		s.deliver(rest, end, lost)
	}
	return nil
}

// oldestAfter looks how far the files reach back that the journal has now, and
// reports whether something may have gone unread.
func (s *Store) oldestAfter(before *oldest, looked uint64) (lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost = s.oldest.look(s.h.dirs) && !s.oldest.continues(before)
	s.oldest.seen, s.oldest.source, s.oldest.tailSeq = before.seen, before.source, before.tailSeq
	if lost {
		s.oldest.seen = looked // it is told once
	}
	return lost
}
