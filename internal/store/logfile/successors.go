package logfile

import (
	"os"
	"runtime"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watchNames notes every file that appears at the path, until the store is
// closed. It has a thread to itself, and does no more than open the file: one
// that is noted too late, after the next has taken its place, is one whose
// events are gone.
func (s *Store) watchNames() {
	defer s.done.Done()
	defer close(s.appeared)
	runtime.LockOSThread()
	preferThread()
	for s.names.wait() {
		s.successors.note(s)
		s.noted.done()
		select {
		case s.appeared <- struct{}{}:
		default:
		}
	}
}

// preferThread asks the kernel to prefer this thread, which needs little time
// but soon. Without the right to ask it does without.
func preferThread() {
	const nice = -10
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
}

// successors are the files that took the place of the one that is followed, in
// order, held open until they are followed in turn.
type successors struct {
	mu      sync.Mutex
	queue   []*generation
	newest  fileID // of the queue, or of the generation that is followed
	created int    // files that appeared at the path since newest did
	fault   error
	missing bool // there is no file at the path
	away    bool // none can be had
	blind   bool // one may come to be without a word of the kernel
}

// maxSuccessors bounds the files that are held open. A follower that is so far
// behind has lost its way.
const maxSuccessors = 256

// note looks which file is at the path now.
func (q *successors) note(s *Store) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		q.drain(s)
		// Behind draining, by which it may become known that another directory
		// has to be watched now.
		q.blind, q.fault = s.names.arm(q.away)
		id, _, err := s.disk.at(s.path)
		q.missing = errors.Is(err, os.ErrNotExist)
		if away := err != nil; away != q.away {
			q.away = away
			continue // the directories above are to be watched, or no longer
		}
		if err != nil {
			if q.fault == nil && !q.missing {
				q.fault = &os.PathError{Op: "open", Path: s.path, Err: err}
			}
			return
		}
		if id == q.newest || len(q.queue) >= maxSuccessors {
			return
		}
		g, err := openGeneration(s.disk, s.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			q.fault = err
			return
		}
		q.drain(s)
		// Exactly one appeared: it is certain that this is the next. If
		// another has appeared since, that is seen the next time around.
		g.direct = q.created == 1
		q.created = 0
		q.queue, q.newest = append(q.queue, g), g.file
	}
}

func (q *successors) drain(s *Store) {
	seen := s.names.drain()
	q.created += seen.created
	if seen.overflow {
		q.created += 2 // it proves nothing
	}
}

// next returns the next file, nil if there is none, and what else was noted.
func (q *successors) next() (g *generation, missing bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) > 0 {
		return q.queue[0], false, nil
	}
	return nil, q.missing, q.fault
}

// isBlind reports whether the log may come to be without a word of the kernel.
func (q *successors) isBlind() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.away && q.blind
}

// pop removes the file that next returned.
func (q *successors) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = q.queue[1:]
}
