package logfile

import (
	"os"
	"runtime"
	"sync"

	"github.com/pkg/errors"
)

// arrivals are the files that took the place of the one that is followed, in
// order, held open until they are followed in turn.
type arrivals struct {
	path  string
	disk  disk
	watch *watcher
	// rounds counts how often the thread has gone round.
	rounds beat

	mu      sync.Mutex
	queue   []*generation
	newest  fileID // of the queue, or of the generation that is followed
	fault   error
	missing bool // there is no file at the path
	away    bool // none can be opened
}

// maxArrivals bounds the files that are held open. A follower that is so far
// behind has lost its way.
const maxArrivals = 256

func newArrivals(d disk, path string, w *watcher) *arrivals {
	return &arrivals{path: path, disk: d, watch: w}
}

// run notes each file that appears at the path, until the watcher is
// interrupted. It has a thread to itself, and does no more than open the file: one
// that is noted too late, after the next has taken its place, is one whose events
// are lost.
func (q *arrivals) run() {
	runtime.LockOSThread()
	for {
		isTime, ok := q.watch.waitForArrivals()
		if !ok {
			return
		}
		if q.note() || isTime {
			q.watch.nudge(&q.watch.writes)
		}
		q.rounds.done()
	}
}

// note looks which file is at the path now. It reports whether there is anything
// new about it.
func (q *arrivals) note() (isNew bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, missing := len(q.queue), q.missing
	q.look()
	return len(q.queue) != before || q.missing != missing || q.fault != nil
}

func (q *arrivals) look() {
	changes := q.watch.dirsChanges()
	for {
		q.watch.update()
		// After that, by which it may become known that another directory has to
		// be watched now.
		q.watch.arm(q.away)
		q.fault = nil
		id, _, err := q.disk.at(q.path)
		q.missing = errors.Is(err, os.ErrNotExist)
		if away := err != nil; away != q.away {
			q.away = away
			continue // the directories above are to be watched, or no longer
		}
		if err != nil {
			if !q.missing {
				q.fault = &os.PathError{Op: "open", Path: q.path, Err: err}
			}
			return
		}
		if id == q.newest || len(q.queue) >= maxArrivals {
			return
		}
		g, err := openGeneration(q.disk, q.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			q.fault = err
			return
		}
		// Exactly one appeared in the directory that is watched: it is certain
		// that this is the next. If another has appeared since, that is seen the
		// next time around.
		if q.watch.isSameDir() && !g.isMount {
			seen, isNewDir := q.watch.sawNew(), changes != q.watch.dirsChanges()
			// The first file may come with its directory, before that is watched.
			isFirst := seen == 0 && isNewDir && q.newest == fileID{} && !q.watch.hasVanished()
			g.direct, g.early = seen == 1 || isFirst, seen == 0 && !isNewDir
		}
		q.queue, q.newest = append(q.queue, g), g.file
	}
}

// confirm looks whether an early file has been reported by now.
func (q *arrivals) confirm(g *generation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.early || g.file != q.newest {
		return
	}
	if seen := q.watch.sawNew(); seen > 0 {
		id, _, err := q.disk.at(q.path)
		g.direct, g.early = seen == 1 && err == nil && id == g.file, false
	}
}

// next returns the next file, nil if there is none, and what else was noted.
func (q *arrivals) next() (g *generation, missing bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) > 0 {
		return q.queue[0], false, nil
	}
	return nil, q.missing, q.fault
}

// pop removes the file that next returned.
func (q *arrivals) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = q.queue[1:]
}

// close closes the files that were not followed.
func (q *arrivals) close() {
	for _, g := range q.queue {
		_ = g.f.Close()
	}
}
