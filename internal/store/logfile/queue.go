package logfile

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// appendQueue joins the writes of callers who come at the same time: one of
// them, the leader, writes for all.
type appendQueue struct {
	mu      sync.Mutex
	waiting []*appendJob
	giveUp  context.CancelFunc // ends a wait for the lock when nobody waits any more, nil if there is none
	leading bool
	crowded int            // for how many more writes it is likely that others come too
	leader  sync.WaitGroup // who writes for all
	closed  bool

	// Of the leader.
	file *os.File // kept open for appending
	id   fileID
	// modified is when the file was last written to before wrote, which is
	// the last of what was written here.
	modified time.Time
	wrote    written
}

// stayCrowded is for how many writes after two callers have met the leader lets
// others come first. Who writes alone gives nothing up.
const stayCrowded = 64

// enqueue adds a job. leads is true if nobody works the queue off: then the
// caller has to.
func (q *appendQueue) enqueue(job *appendJob) (leads bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		job.err = errClosed
		close(job.done)
		return false
	}
	q.waiting = append(q.waiting, job)
	if q.leading {
		q.crowded = stayCrowded
		return false
	}
	q.leading = true
	q.leader.Add(1)
	return true
}

// withdraw takes a job back. It returns false if it is being written, or was.
func (q *appendQueue) withdraw(job *appendJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, job)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	if len(q.waiting) == 0 && q.giveUp != nil {
		q.giveUp()
	}
	return true
}

// take takes the jobs that wait, or those of them that are among some.
func (q *appendQueue) take(among []*appendJob) (jobs []*appendJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if among == nil {
		jobs, q.waiting = q.waiting, nil
		return jobs
	}
	var others []*appendJob
	for _, j := range q.waiting {
		if slices.Contains(among, j) {
			jobs = append(jobs, j)
		} else {
			others = append(others, j)
		}
	}
	q.waiting = others
	return jobs
}

// goesOn tells the leader whether there is more to do. If not, it leads no
// longer. crowded tells that others are likely to come.
func (q *appendQueue) goesOn() (more, crowded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		if crowded = q.crowded > 0; crowded {
			q.crowded--
		}
		return true, crowded
	}
	q.leading = false
	q.leader.Done()
	return false, false
}

// lead works the queue off. A caller of Append does so as long as its own job
// is in it and nobody has to be waited for, a goroutine the rest.
func (s *Store) lead(own *appendJob) {
	q := &s.appends
	for {
		more, crowded := q.goesOn()
		if !more {
			return
		}
		if own != nil && own.isDone() {
			go s.lead(nil)
			return
		}
		if crowded {
			runtime.Gosched() // who has something to be written, too, comes first: one write is for all
		}
		var among []*appendJob
		locked, err := s.lock.tryOnce()
		if errors.Is(err, os.ErrNotExist) {
			if err = s.makeDir(); err == nil {
				locked, err = s.lock.tryOnce()
			}
		}
		if !locked && err == nil {
			if own != nil {
				go s.lead(nil)
				return
			}
			among, err = s.awaitLock()
		}
		var jobs []*appendJob
		if err != nil {
			jobs = q.take(among)
			s.fail(jobs, err)
		} else {
			jobs = q.take(nil)
			s.write(jobs)
		}
		for _, j := range jobs {
			close(j.done)
		}
	}
}

func (j *appendJob) isDone() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// awaitLock waits for the lock as long as somebody waits for it, and returns
// for whom it did from the beginning.
func (s *Store) awaitLock() (since []*appendJob, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := &s.appends
	q.mu.Lock()
	q.giveUp = cancel
	since = slices.Clone(q.waiting)
	if len(since) == 0 || q.closed {
		cancel()
	}
	q.mu.Unlock()
	err = s.lock.lock(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveUp = nil
	if err != nil && q.closed {
		err = errClosed
	}
	return since, err
}

// drain refuses further jobs, and those that wait for the lock, and returns when
// the others are written.
func (q *appendQueue) drain() {
	q.mu.Lock()
	q.closed = true
	if q.giveUp != nil {
		q.giveUp()
	}
	q.mu.Unlock()
	q.leader.Wait()
}
