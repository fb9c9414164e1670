//go:build systemd && cgo

package journald

import (
	"bytes"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Attend sets whether a subscriber wants new events at once. While none does, only
// calls of Look read the journal.
func (s *Store) Attend(wanted bool) {
	if wanted {
		s.fresh.Store(true)
	}
	s.attended.Store(wanted)
	s.wakeUp()
}

// wakeUp makes the follower do one more iteration.
func (s *Store) wakeUp() {
	if w := s.watch.Load(); w != nil {
		w.Poke(s.attended.Load())
	}
}

// follow reads the journal when there may be something new, while a subscriber wants
// that.
func (s *Store) follow(w *sdjournal.Watch) {
	defer s.done.Done()
	defer w.Close()
	for {
		if s.attended.Load() {
			w.Refresh()
		}
		w.Wait()
		select {
		case <-s.stop:
			return
		default:
		}
		for more := s.attended.Load(); more; w.WentRound() { // a slice at a time shows that it is alive
			more, _ = s.advance()
		}
		s.forward.Lock() // if the holder never releases it, it is not alive
		s.mu.Lock()
		s.mu.Unlock() //nolint:staticcheck // it is empty on purpose
		s.forward.Unlock()
		w.WentRound()
	}
}

// Look hands the sink what is new, up to the present end of the journal. If no
// subscriber attends, new events are skipped.
func (s *Store) Look() error {
	var end mark // of what is new; not known: everything
	for {
		more, err := s.advance()
		if !more || err != nil {
			return err
		}
		if end.known {
			if s.reached(&end) {
				return nil
			}
		} else if end, err = s.tail(); err != nil {
			return unavailable(err)
		}
	}
}

// reached reports whether the mark is not before another one.
func (s *Store) reached(m *mark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.beyond(&m.place, &s.mark)
}

// tail returns the end of the journal.
func (s *Store) tail() (m mark, err error) {
	s.forward.Lock()
	defer s.forward.Unlock()
	if s.h == nil {
		return m, nil
	}
	err = retry(func() error {
		if err := s.h.SeekTail(); err != nil {
			return err
		}
		s.entries, _, err = s.h.Previous(s.entries, 1, nil)
		return err
	})
	if errors.Is(err, sdjournal.ErrStale) {
		return m, nil // if the next slice cannot continue either, it reports why
	}
	if err == nil && len(s.entries) > 0 {
		m = mark{place: s.entries[0].Place, known: true}
	}
	return m, err
}

// advance hands the sink one slice of what is new, and reports whether there may be
// more. Between slices others get the lock.
func (s *Store) advance() (more bool, err error) {
	s.forward.Lock()
	defer s.forward.Unlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return false, nil
	}
	err = retry(func() error {
		more, err = s.slice()
		return err
	})
	if err == nil {
		s.setFault(s.partly())
		return more, nil
	}
	s.setFault(err)
	if s.h != nil {
		s.h.Close()
		s.h = nil
	}
	return false, unavailable(err)
}

// retries is how often an operation is repeated that fails because journald removes
// files.
const retries = 20

func retry(f func() error) (err error) {
	for range retries {
		if err = f(); !errors.Is(err, sdjournal.ErrStale) {
			break
		}
	}
	return err
}

// The bounds of a slice, in bytes of lines: others wait for it. When files are renamed,
// a larger slice avoids a second pass.
const (
	sliceSize = 1 << 20
	crossSize = 16 << 20
)

// slice, like everything it calls, requires forward to be held.
func (s *Store) slice() (more bool, err error) {
	if !s.expects() && (s.fresh.Swap(false) || !s.attended.Load()) {
		return false, s.jump()
	}
	s.fresh.Store(false)
	return s.step()
}

// expects reports whether Append waits for an event.
func (s *Store) expects() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) > 0
}

// jump sets the mark to the end of the journal.
func (s *Store) jump() error {
	if s.h == nil || s.h.Check() != nil || s.h.Moved() {
		if err := s.reopen(); err != nil {
			return err
		}
	}
	s.oldest.NoteTail()
	s.noteSeen(uint64(time.Now().UnixMicro()))
	if err := s.h.SeekTail(); err != nil {
		return err
	}
	var err error
	if s.entries, _, err = s.h.Previous(s.entries, 1, nil); err != nil || len(s.entries) == 0 {
		return err
	}
	end := s.entries[0].Place
	if !s.beyond(&end, &s.mark) {
		return nil
	}
	if !s.ofHost() {
		if end.Twin, err = countTwins(s.h, &end); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setMark(end)
	s.tell(nil, false)
	return nil
}

// countTwins returns how many entries before this one have its key.
func countTwins(h *sdjournal.Reader, p *sdjournal.Place) (n uint32, err error) {
	h.Seek(p)
	for {
		entries, end, err := h.Previous(nil, 8, nil)
		if err != nil {
			return 0, err
		}
		for i := range entries {
			if q := &entries[i].Place; q.Key != p.Key {
				if q.Compare(p) < 0 {
					return n, nil
				}
			} else if q.Source != p.Source || q.Seqnum < p.Seqnum {
				n++
			}
		}
		if end {
			return n, nil
		}
	}
}

func (s *Store) setMark(p sdjournal.Place) {
	s.mark = mark{pos: s.mark.pos + 1, place: p, known: true}
	s.ring[s.mark.pos%ringSize] = s.mark
}

// tell hands the sink what is new.
func (s *Store) tell(records []store.Record, lost bool) {
	if s.sink != nil {
		s.sink(store.Emission{Records: records, Pos: s.mark.storePos(), Cursor: s.mark.cursor(), Lost: lost})
	}
}

// beyond reports whether an entry is after the mark. On this host, an entry of the
// mark's boot is if it was taken later, whatever copies of older entries a flush to
// /var has made. An entry of another boot is only if that is the present boot.
func (s *Store) beyond(p *sdjournal.Place, m *mark) bool {
	if !m.known {
		return true
	}
	q := &m.place
	if s.ofHost() {
		switch {
		case p.Key == q.Key:
			return false
		case p.Boot == q.Boot && p.Monotonic != q.Monotonic:
			return p.Monotonic > q.Monotonic
		case p.Boot != q.Boot && q.Boot == s.journal.Boot():
			return false
		case p.Boot != q.Boot && p.Boot == s.journal.Boot():
			return true
		}
	}
	return p.Compare(q) > 0
}

// step hands the sink the next slice of what is new, and reports whether there may be
// more.
//
// The files of a journal are read in sequence while journald writes to them: nothing
// may be found in one file, then an entry in the next, although an earlier one has
// meanwhile been written to the first. So first an end is found, and then, in a second
// pass, only what is before it is read. By then all of that is there, because journald
// writes one entry at a time, and creates a file before it writes to it.
func (s *Store) step() (more bool, err error) {
	if s.h == nil {
		before := s.oldest
		if err := s.reopen(); err != nil {
			return false, err
		}
		if before.Seen != 0 && !s.oldest.Reaches(before.Seen) && !s.oldest.Continues(&before) {
			s.noteSeen(uint64(time.Now().UnixMicro()))
			s.deliver(nil, nil, true)
		}
	}
	looked, tail := uint64(time.Now().UnixMicro()), s.oldest
	tail.NoteTail()
	end, found, err := s.peek()
	if err != nil && !errors.Is(err, sdjournal.ErrStale) {
		return false, err
	}
	if s.h.Moved() {
		return true, s.cross(looked)
	}
	if err != nil {
		return false, err
	}
	if !found {
		s.oldest.KeepTail(&tail)
		s.noteSeen(looked)
		return false, nil
	}
	records, end, err := s.readTo(s.h, &end, sliceSize)
	if errors.Is(err, sdjournal.ErrStale) && s.h.Moved() {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s.deliver(records, &end, false)
	return true, nil
}

// noteSeen records when everything had been read. As long as there is no entry of
// podman, the time at which there was none moves on.
func (s *Store) noteSeen(at uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest.Seen = at
	if !s.mark.known {
		s.mark.origin = at
	}
}

// seekMark puts a reader after the mark.
func (s *Store) seekMark(h *sdjournal.Reader) error {
	if !s.mark.known {
		return h.SeekHead()
	}
	h.Seek(&s.mark.place)
	return nil
}

// peek finds an end for the next step: the last of some entries after the mark.
//
// It seeks each time, which takes some microseconds: a reader at the end of a file
// checks it again only when the file has more entries than before. journald counts an
// entry before it links it into the lists in which it is found, so a reader that checks
// in between would not see it until the next one.
func (s *Store) peek() (end sdjournal.Place, found bool, err error) {
	if err := s.seekMark(s.h); err != nil {
		return end, false, err
	}
	for {
		var last bool
		if s.entries, last, err = s.h.Next(s.entries, sdjournal.MaxEntries, nil); err != nil {
			return end, false, err
		}
		for i := range s.entries {
			if p := &s.entries[i].Place; s.beyond(p, &s.mark) {
				end, found = *p, true
			}
		}
		if found {
			return end, true, nil
		}
		if last {
			return end, false, nil
		}
	}
}

// found is a record with its place; without a line, the entry is not an event.
type found struct {
	place  sdjournal.Place
	record store.Record
	id     string // of an event that Append waits for
}

// readTo reads the entries from the mark to an end, nil for all, or until they have so
// many bytes. It returns how far it got.
func (s *Store) readTo(h *sdjournal.Reader, end *sdjournal.Place, most int) (all []found, reached sdjournal.Place, err error) {
	if err := s.seekMark(h); err != nil {
		return nil, reached, err
	}
	waited := s.expects()
	before, known := s.mark.place, s.mark.known
	var limit mark
	if end != nil {
		reached, limit = *end, mark{place: *end, known: true}
	}
	for size := 0; ; {
		var last bool
		if s.entries, last, err = h.Next(s.entries, sdjournal.MaxEntries, eventFields); err != nil {
			return nil, reached, err
		}
		for i := range s.entries {
			e := &s.entries[i]
			if !s.beyond(&e.Place, &s.mark) {
				continue
			}
			if end != nil && s.beyond(&e.Place, &limit) {
				last = true
				break
			}
			if known && e.Place.Key == before.Key && !s.ofHost() {
				e.Place.Twin = before.Twin + 1
			}
			before, known = e.Place, true
			f := s.decode(e, waited)
			all = append(all, f)
			if size += len(f.record.Line); size >= most {
				return all, f.place, nil
			}
		}
		if last {
			return all, reached, nil
		}
	}
}

// size returns the total size of the lines.
func size(all []found) (n int) {
	for i := range all {
		n += len(all[i].record.Line)
	}
	return n
}

// decode makes a record of an entry, in its own memory.
func (s *Store) decode(e *sdjournal.Entry, waited bool) found {
	f := found{place: e.Place}
	if e.Fault != nil {
		s.noteSkip(&e.Place, e.Fault)
		return f
	}
	s.decoder.read(e.Fields)
	if !s.decoder.isEvent {
		return f
	}
	line, lacking, err := s.decoder.record(s.scratch[:0], !s.ofHost(), &f.record)
	s.scratch = line
	if err != nil {
		f.record = store.Record{}
		s.noteSkip(&e.Place, err)
		return f
	}
	if lacking != nil {
		s.noteSkip(&e.Place, lacking)
	}
	f.record.Line = bytes.Clone(f.record.Line) // of just its length
	if waited {
		f.id = identify(&s.decoder.values)
	}
	f.record.Cursor = appendCursor(nil, kindAfter, &e.Place.Key, e.Place.Twin)
	return f
}

// deliver hands the sink what was found, in order, and moves the mark to the end, or to
// the last of it.
func (s *Store) deliver(all []found, end *sdjournal.Place, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []store.Record
	for i := range all {
		f := &all[i]
		if !s.beyond(&f.place, &s.mark) {
			continue
		}
		s.setMark(f.place)
		if f.record.Line == nil {
			continue
		}
		f.record.Pos = s.mark.storePos()
		records = append(records, f.record)
		s.answer(f)
	}
	if end != nil && s.beyond(end, &s.mark) {
		s.setMark(*end)
	}
	s.read += uint64(len(records))
	s.tell(records, lost)
}
