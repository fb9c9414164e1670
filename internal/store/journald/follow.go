//go:build systemd && cgo

package journald

import (
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/store"
)

// Attend says whether somebody wants to know at once what is new. While nobody
// does the journal is not looked at, but by those who call Look.
func (s *Store) Attend(wanted bool) {
	if wanted {
		s.fresh.Store(true)
	}
	s.attended.Store(wanted)
	s.wakeUp()
}

// wakeUp has the follower go round once more.
func (s *Store) wakeUp() {
	if w := s.watch.Load(); w != nil {
		w.poke(s.attended.Load())
	}
}

// follow looks at the journal when there may be something new, while somebody
// wants that.
func (s *Store) follow(w *watch) {
	defer s.done.Done()
	defer w.close()
	for {
		if s.attended.Load() {
			w.refresh()
		}
		w.wait()
		select {
		case <-s.stop:
			return
		default:
		}
		if s.attended.Load() {
			_ = s.Look()
		} else {
			s.mu.Lock()   // who holds it for ever is not alive
			s.mu.Unlock() //nolint:staticcheck // it is empty on purpose
		}
		w.wentRound()
	}
}

// Look tells the sink what is new. If nobody attends, new events are passed
// over: there is nobody whom they could be told.
func (s *Store) Look() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookLocked()
}

func (s *Store) lookLocked() error {
	if s.closed {
		return nil
	}
	err := retry(s.advanceLocked)
	s.setFault(err)
	if err != nil {
		if s.h != nil {
			s.h.close()
			s.h = nil
		}
		return unavailable(err)
	}
	return nil
}

// retries is how often something is tried again that journald, removing files,
// comes in the way of.
const retries = 20

func retry(f func() error) (err error) {
	for range retries {
		if err = f(); !errors.Is(err, errStale) {
			break
		}
	}
	return err
}

func (s *Store) advanceLocked() error {
	if len(s.pending) == 0 && (s.fresh.Swap(false) || !s.attended.Load()) {
		return s.jumpLocked()
	}
	s.fresh.Store(false)
	for {
		if more, err := s.stepLocked(); !more || err != nil {
			return err
		}
	}
}

// jumpLocked sets the mark at the end of the journal.
func (s *Store) jumpLocked() error {
	if s.h == nil || s.h.look() != nil || s.h.moved {
		if err := s.reopenLocked(); err != nil {
			return err
		}
	}
	s.oldest.noteTail()
	s.oldest.seen = uint64(time.Now().UnixMicro())
	s.stillNone()
	if err := s.h.seekTail(); err != nil {
		return err
	}
	var err error
	if s.entries, _, err = s.h.fill(s.entries, true, 1, onlyPlaces); err != nil || len(s.entries) == 0 {
		return err
	}
	end := s.entries[0].place
	if !s.beyond(&end, &s.mark) {
		return nil
	}
	if !s.ofHost() {
		if end.twin, err = countTwins(s.h, &end); err != nil {
			return err
		}
	}
	s.setMark(end)
	s.tell(nil, false)
	return nil
}

// countTwins returns how many entries before the one have its key.
func countTwins(h *handle, p *place) (n uint32, err error) {
	h.seek(p)
	for {
		entries, end, err := h.fill(nil, true, 8, onlyPlaces)
		if err != nil {
			return 0, err
		}
		for i := range entries {
			if q := &entries[i].place; q.key != p.key {
				if q.compare(p) < 0 {
					return n, nil
				}
			} else if q.source != p.source || q.seqnum < p.seqnum {
				n++
			}
		}
		if end {
			return n, nil
		}
	}
}

func (s *Store) setMark(p place) {
	s.mark = mark{pos: s.mark.pos + 1, place: p, known: true}
	s.ring[s.mark.pos%ringSize] = s.mark
}

// tell gives the sink what is new.
func (s *Store) tell(records []store.Record, lost bool) {
	if s.sink != nil {
		s.sink(store.Emission{Records: records, Pos: s.mark.storePos(), Cursor: s.mark.cursor(), Lost: lost})
	}
}

// beyond reports whether an entry is after the mark. On this host an entry of
// the mark's boot is exactly if it was taken later, whatever copies of older
// ones a flush to /var has made, and an entry of another boot only if that is
// the present one.
func (s *Store) beyond(p *place, m *mark) bool {
	if !m.known {
		return true
	}
	q := &m.place
	if s.ofHost() {
		switch {
		case p.key == q.key:
			return false
		case p.boot == q.boot && p.monotonic != q.monotonic:
			return p.monotonic > q.monotonic
		case p.boot != q.boot && q.boot == s.boot:
			return false
		case p.boot != q.boot && p.boot == s.boot:
			return true
		}
	}
	return p.compare(q) > 0
}

// stepLocked tells the sink the next of what is new, and whether there may be
// more.
//
// The files of a journal are read one after the other while journald writes to
// them: nothing may be found in one, then an entry in the next, when something
// before that has been written to the first. So the end is found first, and
// only what is before it is read, in a second pass, when all of it is there:
// journald writes one entry after the other, and makes a file before it writes
// to it.
func (s *Store) stepLocked() (more bool, err error) {
	if s.h == nil {
		before := s.oldest
		if err := s.reopenLocked(); err != nil {
			return false, err
		}
		if before.seen != 0 && !s.oldest.reaches(before.seen) && !s.oldest.continues(&before) {
			s.oldest.seen = uint64(time.Now().UnixMicro())
			s.deliver(nil, nil, true)
		}
	}
	looked, tail := uint64(time.Now().UnixMicro()), s.oldest
	tail.noteTail()
	end, found, err := s.peek()
	if err != nil && !errors.Is(err, errStale) {
		return false, err
	}
	if s.h.moved {
		return true, s.crossLocked(looked)
	}
	if err != nil {
		return false, err
	}
	if !found {
		s.oldest.seen, s.oldest.source, s.oldest.tailSeq = looked, tail.source, tail.tailSeq
		s.stillNone()
		return false, nil
	}
	records, err := s.readTo(s.h, &end)
	if errors.Is(err, errStale) && s.h.moved {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s.deliver(records, &end, false)
	return true, nil
}

// stillNone moves the time at which there was no entry of podman on, for as long
// as there is none.
func (s *Store) stillNone() {
	if !s.mark.known {
		s.mark.origin = s.oldest.seen
	}
}

// seekMark puts a handle behind the mark.
func (s *Store) seekMark(h *handle) error {
	if !s.mark.known {
		return h.seekHead()
	}
	h.seek(&s.mark.place)
	return nil
}

// peek finds an end for the next step: the last of some entries behind the mark.
//
// It seeks anew each time, which costs some microseconds: a handle that has
// come to the end of a file looks at it again only when the file has more
// entries than it had then. journald counts an entry before it links it to the
// lists in which it is found; who comes in between would not see it until the
// next one.
func (s *Store) peek() (end place, found bool, err error) {
	if err := s.seekMark(s.h); err != nil {
		return end, false, err
	}
	for {
		var last bool
		if s.entries, last, err = s.h.fill(s.entries, false, fillEntries, onlyPlaces); err != nil {
			return end, false, err
		}
		for i := range s.entries {
			if p := &s.entries[i].place; s.beyond(p, &s.mark) {
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

// found is a record with its place; one without a line is of an entry that is
// no event.
type found struct {
	place  place
	record store.Record
	id     string // of what Append waits for
}

// readTo reads the entries from the mark to an end, nil for all there are.
func (s *Store) readTo(h *handle, end *place) (all []found, err error) {
	if err := s.seekMark(h); err != nil {
		return nil, err
	}
	before, known := s.mark.place, s.mark.known
	var limit mark
	if end != nil {
		limit = mark{place: *end, known: true}
	}
	for {
		var last bool
		if s.entries, last, err = h.fill(s.entries, false, fillEntries, allFields); err != nil {
			return nil, err
		}
		for i := range s.entries {
			e := &s.entries[i]
			if !s.beyond(&e.place, &s.mark) {
				continue
			}
			if end != nil && s.beyond(&e.place, &limit) {
				last = true
				break
			}
			if known && e.place.key == before.key && !s.ofHost() {
				e.place.twin = before.twin + 1
			}
			before, known = e.place, true
			all = append(all, s.decode(e))
		}
		if last {
			return all, nil
		}
	}
}

// decode makes a record of an entry, with memory of its own.
func (s *Store) decode(e *entry) found {
	f := found{place: e.place}
	if e.fault != nil {
		s.skipLocked(&e.place, e.fault)
		return f
	}
	s.decoder.read(e.fields)
	if !s.decoder.isEvent {
		return f
	}
	if _, err := s.decoder.record(nil, !s.ofHost(), &f.record); err != nil {
		f.record = store.Record{}
		s.skipLocked(&e.place, err)
		return f
	}
	if len(s.pending) > 0 {
		f.id = identify(&s.decoder.values)
	}
	f.record.Cursor = appendCursor(nil, kindAfter, &e.place.key, e.place.twin)
	return f
}

// deliver tells the sink what was found, in order, and moves the mark to the
// end, or to the last of it.
func (s *Store) deliver(all []found, end *place, lost bool) {
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
