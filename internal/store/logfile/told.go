package logfile

import "time"

// tellPause is the least time between two lines in the log about a new file: a
// small limit has Podman rotate its log many times a second.
const tellPause = 10 * time.Second

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
