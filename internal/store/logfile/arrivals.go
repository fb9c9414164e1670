package logfile

import (
	"os"
	"runtime"
	"sync"

	"github.com/pkg/errors"
)

// arrivals is the queue of files that replaced the followed one, in order. They are
// held open until they are followed in turn.
type arrivals struct {
	path  string
	disk  disk
	watch *watcher
	// rounds counts the iterations of the thread.
	rounds beat

	mu      sync.Mutex
	queue   []*generation
	newest  fileID // the newest file of the queue, or the followed generation
	fault   error
	missing bool // there is no file at the path
	away    bool // there is a file, but it cannot be opened
	// awaited is set if the newest was opened before the kernel reported it.
	awaited bool
	detours int  // the watcher's count, when the newest was last seen at the path
	swapped bool // other files may have come and gone before the newest was seen again
}

// maxArrivals bounds the files that are held open. A follower that is further behind
// has lost its place.
const maxArrivals = 256

func newArrivals(d disk, path string, w *watcher) *arrivals {
	return &arrivals{path: path, disk: d, watch: w}
}

// run opens each file that appears at the path, until the watcher is interrupted. It
// has its own thread and does nothing else: if it is late, and the next file has
// replaced this one, the events of this one are lost.
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

// note checks which file is at the path now. It reports whether anything is new.
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
		// The reports may show that another directory has to be watched now, which is a
		// detour as well.
		q.watch.update()
		q.watch.arm(q.away)
		created, detours := q.watch.update()
		q.fault = nil
		id, _, err := q.disk.at(q.path)
		q.missing = errors.Is(err, os.ErrNotExist)
		if away := err != nil; away != q.away {
			q.away = away
			continue // the directories above start or stop being watched
		}
		if err != nil {
			if !q.missing {
				q.fault = &os.PathError{Op: "open", Path: q.path, Err: err}
			}
			return
		}
		if id == q.newest {
			q.noteSame(created, detours)
			return
		}
		if len(q.queue) >= maxArrivals {
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
		// Exactly one file appeared in the watched directory, so this is certainly the
		// next. If another has appeared since, the next iteration sees it.
		q.awaited = false
		if q.watch.isSameDir() && !g.isMount {
			seen, isNewDir, isDetour := q.watch.sawNew(), changes != q.watch.dirsChanges(), detours != q.detours
			// The first file may appear together with its directory, before that is
			// watched.
			isFirst := seen == 0 && isNewDir && q.newest == fileID{}
			g.direct, g.early = (seen == 1 || isFirst) && !isDetour, seen == 0 && !isNewDir && !isDetour
			q.awaited = seen == 0 && !isNewDir
		}
		q.queue, q.newest, q.detours = append(q.queue, g), g.file, detours
	}
}

// noteSame handles what was reported before the newest was found at the path again.
func (q *arrivals) noteSame(created, detours int) {
	if q.awaited && created > 0 {
		q.awaited = false
		q.watch.forget(unproven)
		created -= unproven
	}
	if created > 1 || detours != q.detours {
		q.swapped = true
		q.watch.forget(created)
		q.detours = detours
	}
}

// wasSwapped reports whether other files may have come and gone at the path while the
// newest was followed. It reports each such time once.
func (q *arrivals) wasSwapped() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	swapped := q.swapped
	q.swapped = false
	return swapped
}

// confirm checks whether a file that was opened early has been reported by now.
func (q *arrivals) confirm(g *generation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.early || g.file != q.newest {
		return
	}
	if seen := q.watch.sawNew(); seen > 0 {
		q.awaited = false
		id, _, err := q.disk.at(q.path)
		g.direct, g.early = seen == 1 && err == nil && id == g.file, false
	}
}

// next returns the next file, nil if there is none, and what else was noted: whether
// the file is missing, or why it cannot be opened.
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
