//go:build systemd && cgo

package journald

import (
	"slices"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
)

// reopen opens the journal again, with the files that it has now.
func (s *Store) reopen() error {
	h, err := s.openPodman()
	if err != nil {
		return err
	}
	if s.h != nil {
		s.h.Close()
	}
	s.h = h
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest.Look(h)
	return nil
}

// openJournal opens the journal. One without a file that can be read is an error: it
// would seem to be one without entries.
func (s *Store) openJournal() (*sdjournal.Reader, error) {
	h, err := s.journal.Reader()
	if err != nil {
		return nil, explain(err)
	}
	if err := h.Readable(); err != nil {
		h.Close()
		return nil, explain(err)
	}
	return h, nil
}

// Check returns why the journal in the directory, "" for that of this host, cannot
// be read now, or not in whole.
func Check(directory string) error {
	st, err := Open(Options{Directory: directory})
	if err != nil {
		return err
	}
	defer st.Close()
	s := st.(*Store)
	if s.h, err = s.openJournal(); err != nil {
		return err
	}
	return s.partly()
}

// openPodman opens the journal for the entries of podman.
func (s *Store) openPodman() (*sdjournal.Reader, error) {
	h, err := s.openJournal()
	if err != nil {
		return nil, err
	}
	if err := h.Match(ofPodman); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// explain says what to do about files that may not be read.
func explain(err error) error {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return errors.WithMessage(err, "cannot read the journal; run eventsvc as root, or as a user in the group systemd-journal")
	}
	return err
}

// partly returns why the journal that is followed is not read in whole, nil if it is.
func (s *Store) partly() error {
	if s.h == nil {
		return nil
	}
	_, err := s.h.Denied()
	return explain(err)
}

// cross goes on with the files that the journal has now. Those that only got
// another name are read to their end first, if that is not too far.
func (s *Store) cross(looked uint64) error {
	before := s.oldest
	var rest []found
	whole := false
	if s.h.Check() == nil {
		before.NoteTail()
		if all, _, err := s.readTo(s.h, nil, crossSize); err == nil {
			rest, whole = all, size(all) < crossSize
		} else if !errors.Is(err, sdjournal.ErrStale) {
			return err
		}
	}
	h, err := s.openPodman()
	if err != nil {
		return err
	}
	var end *sdjournal.Place
	if len(rest) > 0 {
		again, reached, err := s.readTo(h, &rest[len(rest)-1].place, crossSize)
		if err != nil {
			h.Close()
			return err
		}
		end, whole = &reached, whole && size(again) < crossSize
		rest = append(rest, again...)
		slices.SortStableFunc(rest, func(a, b found) int { return a.place.Compare(&b.place) })
		limit := mark{place: reached, known: true}
		rest = slices.DeleteFunc(rest, func(f found) bool { return s.beyond(&f.place, &limit) })
	}
	s.h.Close()
	s.h = h
	if whole {
		before.Seen = looked
	}
	lost := s.oldestAfter(&before, looked)
	if lost {
		s.log.Warn("files of the journal were removed before they had been read: events may have been lost", messageid.Lost)
	}
	if len(rest) > 0 || lost {
		s.deliver(rest, end, lost)
	}
	return nil
}

// oldestAfter looks how far the files reach back that the journal has now, and
// reports whether something may have gone unread.
func (s *Store) oldestAfter(before *sdjournal.Reach, looked uint64) (lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost = s.oldest.Look(s.h) && !s.oldest.Continues(before)
	s.oldest.Seen = before.Seen
	s.oldest.KeepTail(before)
	if lost {
		s.oldest.Seen = looked // it is reported once
	}
	return lost
}
