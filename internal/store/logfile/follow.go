package logfile

import (
	"bytes"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// breath is the least time between two looks while there is much to see, which
// makes one reading of what several writers do at once. Much is burst events or
// more in a look: who writes one event and waits for it waits for no breath.
const (
	breath = 300 * time.Microsecond
	burst  = 4
)

// follow looks whenever something is written to the log, until the store is
// closed.
func (s *Store) follow() {
	defer s.done.Done()
	runtime.LockOSThread()
	var last time.Time
	var before uint64
	for s.writes.wait() {
		read := s.eventsRead()
		if since := time.Since(last); since < breath && read >= before+burst {
			ts := unix.NsecToTimespec(int64(breath - since))
			_ = unix.Nanosleep(&ts, nil)
		}
		before = read
		s.writes.drain()
		s.lookNow()
		last = time.Now()
	}
}

func (s *Store) eventsRead() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// followNames looks whenever a file has appeared at the path or gone from it.
func (s *Store) followNames() {
	defer s.done.Done()
	for range s.appeared {
		s.lookNow()
	}
}

func (s *Store) lookNow() {
	if err := s.Look(); err != nil {
		s.log.Debug("cannot follow the log", "path", s.path, "error", err)
	}
}

// Look tells the sink at once what is new in the log. The error is an
// *events.UnavailableError if the log is there and cannot be read.
func (s *Store) Look() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookLocked()
}

// settleTime is how long a file that is being filled by a rotation that is not
// atomic is given to become what the rotation makes of it.
const settleTime = 2 * time.Second

func (s *Store) lookLocked() error {
	if s.closed || s.sink == nil {
		return nil
	}
	err := s.look()
	s.setFault(err)
	if err != nil {
		return s.unavailable(err)
	}
	return nil
}

// look reads what was appended, and follows the path to the files that took
// the place of the present one, one after the other.
func (s *Store) look() error {
	if err := s.writes.arm(); err != nil {
		return err
	}
	s.successors.note(s)
	for {
		g, missing, err := s.successors.next()
		if g == nil {
			return s.lookAtPresent(missing, err)
		}
		wait, err := s.succeed(g)
		if err != nil || wait {
			return err
		}
		s.successors.pop()
	}
}

// lookAtPresent reads what was appended to the generation that has no successor.
func (s *Store) lookAtPresent(missing bool, err error) error {
	if s.cur == nil || err != nil {
		return err
	}
	s.gone = missing
	if !missing {
		replaced, err := s.wasCutInPlace()
		if err != nil {
			return err
		}
		if replaced {
			if err := s.replaceInPlace(); err != nil {
				return err
			}
		}
	}
	return s.advance()
}

// advance reads the whole lines that were appended to the present generation
// and tells the sink.
func (s *Store) advance() error {
	for {
		size, err := s.cur.size()
		if err != nil {
			return err
		}
		if size <= s.off {
			return nil
		}
		// The records keep this buffer alive: it is no larger than it has to be.
		c, _, err := s.cur.readChunk(make([]byte, min(size-s.off, chunkSize)), s.off, size)
		if err != nil {
			return err
		}
		if c.next == s.off {
			return nil
		}
		s.emit(&c, false)
	}
}

// emit turns the lines of a chunk into records and tells the sink, which owns
// the memory of the chunk from then on.
func (s *Store) emit(c *chunk, lost bool) {
	g := s.cur
	if c.tooLong >= 0 {
		s.skip(g, c.tooLong, errLong)
	}
	records := make([]store.Record, 0, bytes.Count(c.data, []byte{'\n'}))
	const cursorLength = 2 + idLength + checkLength
	arena := make([]byte, 0, cursorLength*cap(records))
	var d decoded
	data, off := c.data, c.off
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		text := data[:n:n]
		data = data[n+1:]
		start := off
		off += int64(n) + 1
		if n == 0 {
			continue
		}
		found, err := d.decode(text)
		if err != nil {
			s.skip(g, start, err)
		}
		if !found {
			continue
		}
		id := s.twins.next(d.fields.Time, d.hash)
		from := len(arena)
		arena = appendEventCursor(arena, id, g.id)
		records = append(records, store.Record{
			Line: d.line, Fields: d.fields, Pos: g.pos(off), UID: g.uid, Cursor: arena[from:len(arena):len(arena)],
		})
	}
	s.off = c.next
	s.read += uint64(len(records))
	s.sink(store.Emission{Records: records, Pos: s.posLocked(), Cursor: s.cursorLocked(), Lost: lost})
}

// emitNothing tells the sink a new position without records.
func (s *Store) emitNothing(lost bool) {
	s.sink(store.Emission{Pos: s.posLocked(), Cursor: s.cursorLocked(), Lost: lost})
}

// wasCutInPlace tells whether the file is no longer what was read of it: it was
// truncated, and perhaps written to since.
func (s *Store) wasCutInPlace() (bool, error) {
	size, err := s.cur.size()
	if err != nil {
		return false, err
	}
	if size < s.off {
		return true, nil
	}
	last, known := s.twins.last()
	if !known || size == s.off {
		return false, nil
	}
	lines := s.cur.back(s.off)
	var d decoded
	for {
		b, _, ok, err := lines.next()
		if err != nil {
			return false, err
		}
		if !ok {
			return true, nil
		}
		if found, _ := d.decode(b); found {
			return d.fields.Time != last.time || d.hash != last.hash, nil
		}
	}
}

// replaceInPlace begins anew with a file that was truncated. What was appended
// between the last look and the truncation is lost, if there was anything.
func (s *Store) replaceInPlace() error {
	g, err := openGeneration(s.path)
	if err != nil {
		return ignoreMissing(err)
	}
	s.log.Warn("the log was truncated in place; events may have been lost", "path", s.path)
	s.retire(false)
	s.adopt(g)
	g.lost = true
	s.twins = twins{}
	s.emitNothing(true)
	return nil
}

// retire makes the present generation one of the past.
func (s *Store) retire(kept bool) {
	g := s.cur
	g.retired, g.end = true, s.off
	if kept {
		return
	}
	s.chain = s.chain[:len(s.chain)-1]
	s.held = append(s.held, g)
	s.trimHeldLocked()
}

// succeed goes on to the file that has taken the place of the present
// generation. wait is true if that file is still being filled.
func (s *Store) succeed(g *generation) (wait bool, err error) {
	if s.cur == nil {
		return false, s.beginWith(g)
	}
	if err := s.advance(); err != nil {
		return false, err
	}
	j := joiner{s: s, old: s.cur, oldEnd: s.off, new: g}
	off, verdict, err := j.join()
	if err != nil {
		return false, err
	}
	if verdict == unsettled {
		s.gone = true
		s.lookAgain()
		return true, nil
	}
	if verdict == lost {
		s.log.Warn("the log was replaced and its continuity cannot be proved; events may have been lost",
			"path", s.path)
	}
	s.retire(s.keepAside())
	s.adopt(g)
	g.join, g.lost, s.off = off, verdict == lost, off
	if s.twins, err = g.warm(off); err != nil {
		return false, err
	}
	s.emitNothing(g.lost)
	return false, nil
}

// lookAgain makes sure that a file that is being filled is looked at again,
// should nothing more happen to it.
func (s *Store) lookAgain() {
	if s.again != nil {
		return
	}
	s.again = time.AfterFunc(settleTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.again = nil
		_ = s.lookLocked()
	})
}

// beginWith adopts the first file that there is at the path. What is in it is
// new, unless it shows that files came and went before it.
func (s *Store) beginWith(g *generation) error {
	cut, err := g.mayBeCut()
	if err != nil {
		return err
	}
	s.adopt(g)
	g.lost = cut && !g.direct
	s.emitNothing(g.lost)
	return nil
}
