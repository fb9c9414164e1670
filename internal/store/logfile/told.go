package logfile

import "time"

// tellPause is the least time between two lines in the log about a new file, or
// about lines that were left out once there were skipBurst of them: a small limit
// has Podman rotate its log many times a second, and a log may be garbage.
const tellPause = 10 * time.Second

// skipBurst is how many lines that were left out the log is told of each by
// itself.
const skipBurst = 20

// leftOut are the lines left out that the log was not told of.
type leftOut struct {
	told   int // of the burst
	silent uint64
	since  time.Time
}

// tellSkip says that a line was left out. It is called with the lock held.
func (s *Store) tellSkip(off int64, reason error) {
	n := &s.leftOut
	now := time.Now()
	if now.Sub(n.since) >= tellPause {
		n.told, n.since = 0, now
	}
	if n.told++; n.told > skipBurst {
		n.silent++
		return
	}
	s.log.Warn("left out a line of the log", "path", s.path, "offset", off, "reason", reason, "notLogged", n.silent)
	n.silent = 0
}

// successions are the new files that the log was not told of.
type successions struct {
	count uint64
	told  time.Time
}

// noteSuccession says that another file is the log now. It is called with the
// lock held.
func (s *Store) noteSuccession(g *generation) {
	n := &s.successions
	n.count++
	if now := time.Now(); now.Sub(n.told) >= tellPause {
		s.log.Info("the log was rotated: going on in the new file", "path", s.path, "generation", g.seq, "rotations", n.count)
		n.count, n.told = 0, now
	}
}
