package logfile

import (
	"fmt"
	"os"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// keptSegments is how many files of an own log are kept aside. Together with
// the log itself they stay within Options.MaxSize.
const keptSegments = 3

// keptPath is where the nth file set aside lies, the newest being the first.
func keptPath(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }

// setAside renames the log, and drops the oldest of those set aside before. It
// is called with the lock of the log held, when all that was written up to now
// has been read. Nothing is rewritten: whoever reads
// one of the files goes on reading it.
func (s *Store) setAside() error {
	for n := keptSegments; n > 1; n-- {
		err := s.disk.rename(keptPath(s.path, n-1), keptPath(s.path, n))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return errors.Wrap(err, "cannot set the log aside")
		}
	}
	if err := s.disk.rename(s.path, keptPath(s.path, 1)); err != nil {
		return errors.Wrap(err, "cannot set the log aside")
	}
	f, err := s.disk.open(s.path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, fileMode)
	if err != nil {
		return errors.Wrap(err, "cannot create the log"+advice(err))
	}
	_ = f.Close()
	s.syncNames()
	_ = s.lookLocked() // it will be looked again
	return nil
}

// dropUnkept forgets the generations whose files are no longer kept.
func (s *Store) dropUnkept() {
	for len(s.chain) > keptSegments+1 {
		s.held = append(s.held, s.chain[0])
		s.chain = s.chain[1:]
	}
	s.trimHeldLocked()
}

// openKept opens the files that were set aside before, as the older part of the
// chain.
func (s *Store) openKept() {
	for n := keptSegments; n >= 1; n-- {
		g, err := openGeneration(s.disk, keptPath(s.path, n))
		if err != nil {
			s.setFault(ignoreMissing(err))
			continue
		}
		size, err := g.size()
		if err == nil {
			g.end, err = g.wholeEnd(size)
		}
		if err != nil {
			s.setFault(err)
			_ = g.f.Close()
			continue
		}
		s.adopt(g)
		g.retired = true
	}
	s.cur = nil
}
