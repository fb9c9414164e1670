package logfile

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/rotated"
)

// settleTime is how long a rotation that is not atomic is given to finish filling the
// new file.
const settleTime = 2 * time.Second

// catchUp reads the rest of the current generation, from its start if it was truncated.
func (f *follower) catchUp() (more bool, err error) {
	f.watch.armFile(f.chain.current.f)
	cut, err := f.wasCutInPlace()
	if err == nil && cut {
		err = f.replaceInPlace()
	}
	if err != nil {
		return false, err
	}
	return f.advance()
}

// wasCutInPlace reports whether the file no longer holds what was read of it: it was
// truncated, and perhaps written to since.
func (f *follower) wasCutInPlace() (bool, error) {
	g, off := f.chain.current, f.chain.off
	state, err := g.stat()
	if err != nil {
		return false, err
	}
	if state.size < off {
		return true, nil
	}
	if off == 0 || state.size == off && state.modified.Equal(f.unchanged) {
		return false, nil
	}
	found, _, err := g.idsBefore(off, 1)
	if err != nil {
		return false, err
	}
	last, known := f.chain.twins.last()
	if known != (len(found) > 0) || known && !found[0].sameContent(last) {
		return true, nil
	}
	f.unchanged = state.modified
	return false, nil
}

// replaceInPlace begins again with a file that was truncated. What was appended between
// the last read and the truncation, if anything, is lost.
func (f *follower) replaceInPlace() error {
	// The place before the old first event is not the place before the new one: the new
	// generation needs a name of its own, so that no cursor is valid for both, not even
	// one made by another process.
	g, err := f.chain.current.again(rand.Uint64())
	if err != nil {
		return err
	}
	f.log.Warn("the log was truncated in place; events may have been lost", messageid.Lost, "path", f.path)
	g.lost = true
	f.chain.retire(false, true)
	f.adopt(g, 0, twins{})
	f.emitPlace(true)
	return nil
}

// succeed moves on to the file that replaced the current generation. done is false if
// that file is still being filled, or more of the current one is to be read first.
func (f *follower) succeed(g *generation) (done, more bool, err error) {
	if f.chain.current == nil {
		return f.beginWith(g), false, nil
	}
	if more, err = f.catchUp(); more {
		return false, true, nil
	}
	// The next write may be what shows how it continues.
	f.watch.forgetFile()
	f.watch.armFile(g.f)
	off, verdict, number := int64(0), lost, 0
	if err == nil {
		number = f.aside()
		off, verdict, err = f.join(g, number)
	}
	switch {
	case err == nil:
		f.barred = time.Time{}
	case !f.isLostFor(err):
		return false, false, err
	default:
		off, verdict, number = 0, lost, 0
	}
	if verdict == unsettled {
		f.chain.setGone(false) // until then the old file is the log
		f.watch.again()
		return false, false, nil
	}
	numbers, err := g.warm(off)
	if err != nil {
		return false, false, err
	}
	g.join, g.lost, g.whole = off, verdict == lost, off == 0 && verdict == joined
	f.chain.retire(number > 0, false)
	f.adopt(g, off, numbers)
	if g.lost {
		f.log.Warn("the log was replaced and its continuity cannot be proved; events may have been lost", messageid.Lost, "path", f.path)
	} else {
		f.successions.note(f.log, f.path, g)
	}
	f.syncs.syncSuccessor(g)
	f.chain.keep(rotated.Kept + 1)
	f.emitPlace(g.lost)
	return true, false, nil
}

// join returns the offset at which a new generation continues the current one, which
// was set aside under that number.
func (f *follower) join(g *generation, number int) (int64, verdict, error) {
	j := joiner{old: f.chain.current, oldEnd: f.chain.off, new: g, isNext: number > 0 && f.isNextAside(number, g)}
	f.arrivals.confirm(g)
	return j.join()
}

// beginWith adopts the first file at the path. Everything in it is new; and it is
// complete, if no other file was there before. done is false if that is not known yet,
// but will be in a moment.
func (f *follower) beginWith(g *generation) (done bool) {
	f.arrivals.confirm(g)
	if g.early && g.isYoung() {
		f.watch.again()
		return false
	}
	g.lost = !g.direct
	if g.direct {
		g.whole, g.origin = true, f.chain.origin
	}
	f.adopt(g, 0, twins{})
	f.emitPlace(g.lost)
	return true
}

// oldPatience is how long reading a file is retried that was replaced before it was
// read to its end. Its successor is not read meanwhile. So a disk that recovers slowly
// costs no event, and one that never does costs this delay.
const oldPatience = 10 * time.Second

// isLostFor reports whether the current generation, which has a successor and last
// failed with err, has been unreadable for so long that it is given up. What is left of
// it counts as one line that was left out.
func (f *follower) isLostFor(err error) bool {
	var u *unreadable
	if !errors.As(err, &u) || u.g != f.chain.current {
		return false
	}
	if f.barred.IsZero() {
		f.barred = time.Now()
	}
	if time.Since(f.barred) < f.patience {
		return false
	}
	f.skips.note(u.g, f.chain.off, errors.WithMessage(err, "the rest of a file that was replaced is lost"))
	return true
}

// successions counts the new files that were not logged.
type successions struct {
	count  uint64
	logged time.Time
}

// note logs that another file is the log now, at most once each logPause.
func (n *successions) note(log *slog.Logger, path string, g *generation) {
	n.count++
	if now := time.Now(); now.Sub(n.logged) >= logPause {
		log.Info("the log was rotated: continuing in the new file", "path", path, "generation", g.seq, "rotations", n.count)
		n.count, n.logged = 0, now
	}
}
