package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/eventsvc/eventsvc/events"
)

// jobs runs something for each event, some of them side by side, and notes how
// far everything has been done without a gap.
type jobs struct {
	run   func(e *events.Event) error
	done  func(cursor string) error // notes that all up to there is done
	end   context.CancelCauseFunc   // ends everything, for a reason
	slots chan struct{}             // as many as may run

	running  sync.WaitGroup
	mu       sync.Mutex
	queue    []*job // that are not done, or after one that is not; in order
	failures int
}

// job is one event, or a place without one, until it and all before are done.
type job struct {
	cursor string
	over   bool
}

// work runs the jobs for all events that come, and waits for them. With one slot
// the next event is asked for when the job before is done.
func (j *jobs) work(ctx context.Context, from source) error {
	defer j.running.Wait()
	for {
		e, err := from.Next(ctx)
		if err != nil {
			j.running.Wait()
			if errors.Is(err, io.EOF) {
				return j.pass(from.Cursor())
			}
			return err
		}
		e.Time = e.Time.Local()
		this := j.add(e.Cursor)
		select {
		case j.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		j.running.Go(func() {
			defer func() { <-j.slots }()
			j.finish(this, j.run(&e))
		})
		if cap(j.slots) == 1 {
			j.running.Wait()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (j *jobs) add(cursor string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	this := &job{cursor: cursor}
	j.queue = append(j.queue, this)
	return this
}

// finish notes how a job ended.
func (j *jobs) finish(this *job, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var stop *stopWork
	if errors.As(err, &stop) {
		j.end(stop.cause)
		return
	}
	if err != nil {
		j.failures++
	}
	this.over = true
	if err := j.noteDone(); err != nil {
		j.end(err)
	}
}

// pass notes a place after which there is no event that is wanted.
func (j *jobs) pass(cursor string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, &job{cursor: cursor, over: true})
	return j.noteDone()
}

// noteDone notes how far all is done. It is called with the lock held.
func (j *jobs) noteDone() error {
	// Of what is done in a row only the end matters, so that the queue stays as
	// short as there are slots, however long one job takes.
	j.queue = slices.CompactFunc(j.queue, func(before, next *job) bool {
		if before.over && next.over {
			before.cursor = next.cursor
			return true
		}
		return false
	})
	last := ""
	if len(j.queue) > 0 && j.queue[0].over {
		last = j.queue[0].cursor
		j.queue = j.queue[1:]
	}
	if last == "" {
		return nil
	}
	return j.done(last)
}
