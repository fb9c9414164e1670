//go:build systemd && cgo

package journald

import (
	"slices"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
)

// reopen opens the journal again, with its present files.
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

// openJournal opens the journal. If none of its files can be read, that is an error: it
// would seem to have no entries.
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

// Check returns why the journal in the directory, "" for this host's, cannot be read
// now, or only in part.
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

// explain adds advice about files that may not be read.
func explain(err error) error {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return errors.WithMessage(err, "cannot read the journal; run eventsvc as root, or as a user in the group systemd-journal")
	}
	return err
}

// partly returns why the followed journal is read only in part, nil if it is read in
// full.
func (s *Store) partly() error {
	if s.h == nil {
		return nil
	}
	_, err := s.h.Denied()
	return explain(err)
}

// cross continues with the journal's present files. Those that were only renamed are
// read to their end first, if that is not too far.
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

// oldestAfter determines how far the journal's present files reach back, and reports
// whether something may not have been read.
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
