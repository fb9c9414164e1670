package logfile

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"time"
	"unsafe"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// breath is the least time between two looks while there is much to see, which
// makes one reading of what several writers do at once. Much is burst events or
// more in a look: who writes one event and waits for it waits for no breath. It
// is also what follows a look that has found nothing because Append has told of
// what it wrote itself: it will do so again, and looks become more and more
// seldom meanwhile, down to one each longestBreath.
const (
	breath        = 300 * time.Microsecond
	longestBreath = 4 * breath
	burst         = 4
)

// follow looks whenever something is written to the log, until the store is
// closed.
func (s *Store) follow() {
	defer s.done.Done()
	runtime.LockOSThread()
	var last time.Time
	var before, ownBefore uint64
	inVain := breath
	for s.watch.waitForWrites() {
		read, _ := s.counts()
		if since := time.Since(last); since < breath && read >= before+burst {
			takeBreath(breath - since)
		}
		before = read
		for more := true; more; s.followed.done() {
			more = s.lookNow()
		}
		last = time.Now()
		found, own := s.counts()
		if found > read || own == ownBefore {
			inVain = breath
		} else {
			takeBreath(inVain)
			inVain = min(2*inVain, longestBreath)
		}
		ownBefore = own
	}
}

// takeBreath sleeps in the kernel, as wait does.
func takeBreath(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}

// counts returns how many events were read, and how many written by Append.
func (s *Store) counts() (read, written uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read, s.written
}

func (s *Store) lookNow() (more bool) {
	more, err := s.lookOnce()
	if err != nil {
		s.log.Debug("cannot follow the log", "path", s.path, "error", err)
	}
	return more
}

// Look tells the sink at once what is new in the log. The error is an
// *events.UnavailableError if the log is there and cannot be read.
func (s *Store) Look() error {
	for {
		more, err := s.lookOnce()
		if !more {
			return err
		}
	}
}

// lookOnce is a slice of a look, between which others get the lock.
func (s *Store) lookOnce() (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookSlice()
}

// lookLocked is Look with the lock held.
func (s *Store) lookLocked() error {
	for {
		more, err := s.lookSlice()
		if !more {
			return err
		}
	}
}

// settleTime is how long a file that is being filled by a rotation that is not
// atomic is given to become what the rotation makes of it.
const settleTime = 2 * time.Second

func (s *Store) lookSlice() (more bool, err error) {
	if s.closed || s.sink == nil {
		return false, nil
	}
	more, err = s.look()
	s.noteGrowth()
	s.setFault(err)
	if err != nil {
		// What is wrong may pass without a report of the kernel.
		s.watch.again()
		return false, s.unavailable(err)
	}
	return more, nil
}

// look reads what was appended, and follows the path to the files that took
// the place of the present one, one after the other. more says that there is more
// to be read.
func (s *Store) look() (more bool, err error) {
	s.arrivals.note()
	for {
		g, missing, err := s.arrivals.next()
		if g == nil {
			return s.lookAtPresent(missing, err)
		}
		done, more, err := s.succeed(g)
		if !done {
			return more, err
		}
		s.arrivals.pop()
	}
}

// lookAtPresent reads what was appended to the generation that has no successor.
func (s *Store) lookAtPresent(missing bool, err error) (more bool, _ error) {
	if s.cur == nil || err != nil {
		return false, err
	}
	more, err = s.catchUp()
	s.gone = missing
	return more, err
}

// catchUp reads what there is of the present generation, anew if it was cut.
func (s *Store) catchUp() (more bool, err error) {
	s.watch.armFile(s.cur.f)
	cut, err := s.wasCutInPlace()
	if err == nil && cut {
		err = s.replaceInPlace()
	}
	if err != nil {
		return false, err
	}
	return s.advance()
}

// sliceBytes is how much is read with the lock held, or one line that is longer.
const sliceBytes = 1 << 20

// advance reads the whole lines that were appended to the present generation
// and hands them to the sink. more says that there are more.
func (s *Store) advance() (more bool, err error) {
	for first := s.off; ; {
		size, err := s.cur.size()
		if err != nil {
			return false, err
		}
		if size <= s.off {
			return false, nil
		}
		// The records keep this buffer alive: it is no larger than it has to be.
		c, _, err := s.cur.readChunk(make([]byte, min(size-s.off, chunkSize)), s.off, size)
		if err != nil {
			return false, err
		}
		if c.next == s.off {
			return false, nil
		}
		s.emit(&c, false, nil)
		if s.off-first >= sliceBytes {
			return true, nil
		}
	}
}

// emit turns the lines of a chunk into records and tells the sink, which owns
// the memory of the chunk from then on. What is known of the lines, unless it is
// nil, need not be read.
func (s *Store) emit(c *chunk, lost bool, of *known) {
	g := s.cur
	if c.tooLong >= 0 {
		s.skip(g, c.tooLong, errLong)
	}
	records := make([]store.Record, 0, min(bytes.Count(c.data, []byte{'\n'}), len(c.data)/leastLine+1))
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
		if of == nil || !of.next(text, &d) {
			found, err := d.decode(text)
			if err != nil {
				s.skip(g, start, err)
			}
			if !found {
				continue
			}
		}
		id := s.twins.next(d.fields.Time, d.hash)
		from := len(arena)
		arena = appendEventCursor(arena, id, g.id)
		records = append(records, store.Record{
			Line: d.line, Fields: d.fields, Pos: g.pos(off), Cursor: arena[from:len(arena):len(arena)],
		})
		s.setOrigin(&records[len(records)-1], g)
	}
	s.off = c.next
	s.read += uint64(len(records))
	if len(records) > 0 && s.cannot != nil && !isOursAlone(s.cannot) && (g.file != s.ownFile || c.next > s.ownEnd) {
		s.setWriteFault(nil) // somebody else can write
	}
	records = compact(records, cap(c.data)+cap(arena)+(cap(records)-len(records))*int(unsafe.Sizeof(store.Record{})))
	s.sink(store.Emission{Records: records, Pos: s.posLocked(), Cursor: s.cursorLocked(), Lost: lost})
}

// leastLine is about how long the shortest line is that is an event.
const leastLine = len(`{"Type":"a","Status":"a","Time":"2006-01-02T15:04:05Z"}` + "\n")

// compact returns the records in memory of their own if they hold much more
// than they fill: what is between them may be garbage of any length.
func compact(records []store.Record, held int) []store.Record {
	const slack = 4 << 10
	filled := 0
	for i := range records {
		filled += len(records[i].Line) + len(records[i].Cursor)
	}
	if held <= 2*filled+slack {
		return records
	}
	buf := make([]byte, 0, filled)
	keep := func(b []byte) []byte {
		from := len(buf)
		buf = append(buf, b...)
		return buf[from:len(buf):len(buf)]
	}
	own := make([]store.Record, len(records))
	for i := range records {
		own[i] = records[i]
		own[i].Line, own[i].Cursor = keep(records[i].Line), keep(records[i].Cursor)
	}
	return own
}

// emitNothing tells the sink a new position without records.
func (s *Store) emitNothing(lost bool) {
	s.sink(store.Emission{Pos: s.posLocked(), Cursor: s.cursorLocked(), Lost: lost})
}

// wasCutInPlace reports whether the file is no longer what was read of it: it was
// truncated, and perhaps written to since.
func (s *Store) wasCutInPlace() (bool, error) {
	state, err := s.cur.stat()
	if err != nil {
		return false, err
	}
	if state.size < s.off {
		return true, nil
	}
	if s.off == 0 || state.size == s.off && state.modified.Equal(s.unchanged) {
		return false, nil
	}
	found, _, err := s.cur.idsBefore(s.off, 1)
	if err != nil {
		return false, err
	}
	last, known := s.twins.last()
	if known != (len(found) > 0) || known && !found[0].sameContent(last) {
		return true, nil
	}
	s.unchanged = state.modified
	return false, nil
}

// replaceInPlace begins anew with a file that was truncated. What was appended
// between the last look and the truncation is lost, if there was anything.
func (s *Store) replaceInPlace() error {
	// What was before the first event of the file is not before what is there now:
	// no cursor may take one for the other, and none that another process made.
	g, err := s.cur.again(rand.Uint64())
	if err != nil {
		return err
	}
	s.log.Warn("the log was truncated in place; events may have been lost", "path", s.path)
	s.cur.cut = true
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
// generation. done is false if that file is still being filled, or more of the
// present one is to be read first.
func (s *Store) succeed(g *generation) (done, more bool, err error) {
	if s.cur == nil {
		return s.beginWith(g), false, nil
	}
	off, verdict, aside := int64(0), lost, 0
	more, err = s.catchUp()
	if more {
		return false, true, nil
	}
	// What is written next may be what shows how it goes on.
	s.watch.forgetFile()
	s.watch.armFile(g.f)
	if err == nil {
		aside = s.aside()
		j := joiner{s: s, old: s.cur, oldEnd: s.off, aside: aside, new: g}
		off, verdict, err = j.join()
	}
	switch {
	case err == nil:
		s.barred = time.Time{}
	case !s.isLostFor(err):
		return false, false, err
	default:
		off, verdict, aside = 0, lost, 0
	}
	if verdict == unsettled {
		s.gone = false // till then the old file is the log
		s.watch.again()
		return false, false, nil
	}
	if verdict == lost {
		s.log.Warn("the log was replaced and its continuity cannot be proved; events may have been lost",
			"path", s.path)
	}
	numbers, err := g.warm(off)
	if err != nil {
		return false, false, err
	}
	s.retire(aside > 0)
	s.adopt(g)
	g.join, g.lost, s.off, s.twins = off, verdict == lost, off, numbers
	g.whole = off == 0 && verdict == joined
	if verdict != lost {
		s.noteSuccession(g)
	}
	s.syncSuccessor(g)
	s.dropUnkept()
	s.emitNothing(g.lost)
	return true, false, nil
}

// oldPatience is how long a file is tried to be read that was replaced before it
// was read to its end. Its successor is not read meanwhile: a disk that is slow
// to recover costs nobody an event, and one that never does costs this long.
const oldPatience = 10 * time.Second

// isLostFor reports whether the present generation, which has a successor, could
// not be read for so long that it is given up, by the last error. What is left
// of it counts as one line that was left out.
func (s *Store) isLostFor(err error) bool {
	var u *unreadable
	if !errors.As(err, &u) || u.g != s.cur {
		return false
	}
	if s.barred.IsZero() {
		s.barred = time.Now()
	}
	if time.Since(s.barred) < s.patience {
		return false
	}
	s.skip(s.cur, s.off, errors.WithMessage(err, "the rest of a file that was replaced is lost"))
	return true
}

// beginWith adopts the first file that there is at the path. All that is in it is
// new, and all that there is, if no other was there before it. done is false if
// that is to be known in a moment.
func (s *Store) beginWith(g *generation) (done bool) {
	s.arrivals.confirm(g)
	if j := (joiner{s: s, new: g}); g.early && j.beingFilled() {
		s.watch.again()
		return false
	}
	s.adopt(g)
	g.lost = !g.direct
	if g.direct {
		g.whole, g.origin = true, s.origin
	}
	s.emitNothing(g.lost)
	return true
}
