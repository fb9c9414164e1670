package logfile

import (
	"path/filepath"

	"github.com/eventsvc/eventsvc/internal/rotated"
)

// realPath returns where eventsvc's own log lies: the target of the links, if the path
// is one.
func realPath(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// openKept opens the files set aside earlier, as the older part of the chain.
func (f *follower) openKept() {
	path := realPath(f.path)
	for n := rotated.Kept; n >= 1; n-- {
		g, err := openGeneration(f.disk, rotated.Path(path, n))
		if err != nil {
			f.setFault(ignoreMissing(err))
			continue
		}
		size, err := g.size()
		if err == nil {
			size, err = g.wholeEnd(size)
		}
		if err != nil {
			f.setFault(err)
			_ = g.f.Close()
			continue
		}
		g.whole = true
		f.chain.adoptKept(g, size)
	}
}

// aside returns the number under which the current generation was set aside, and so is
// still in the store; 0 if it was not.
func (f *follower) aside() int {
	if !f.own {
		return 0
	}
	path := realPath(f.path)
	for n := 1; n <= rotated.Kept; n++ {
		if id, _, err := f.disk.at(rotated.Path(path, n)); err == nil && id == f.chain.current.file {
			return n
		}
	}
	return 0
}

// isNextAside reports whether g became the log directly after the current generation,
// which was set aside under that number.
func (f *follower) isNextAside(number int, g *generation) bool {
	if number == 1 {
		return true
	}
	id, _, err := f.disk.at(rotated.Path(realPath(f.path), number-1))
	return err == nil && id == g.file
}
