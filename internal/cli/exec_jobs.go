package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// jobs runs an action for each event, some of them in parallel, and records up to where
// everything has been done without a gap.
type jobs struct {
	run   func(e *events.Event) error
	done  func(cursor string) error // records that everything up to the cursor is done
	end   context.CancelCauseFunc   // ends everything, with a reason
	slots chan struct{}             // as many as may run in parallel
	// debounce is the least time between two jobs for the same object: of the events
	// that arrive meanwhile, only the last gets a job, when that time has passed.
	debounce time.Duration
	windows  sync.WaitGroup

	running  sync.WaitGroup
	mu       sync.Mutex
	queue    []*job // jobs not done, or after one that is not; in order
	failures int
	held     map[string]*heldEvent // by object, while its time runs; nil: no event has arrived
}

// heldEvent is an event whose job waits for the debounce time.
type heldEvent struct {
	job   *job
	event events.Event
}

// job is one event, or a position without one, until it and all earlier ones are done.
type job struct {
	cursor string
	over   bool
}

// work runs a job for each event, and waits for them. With one slot, the next event is
// fetched when the previous job is done.
func (j *jobs) work(ctx context.Context, from source) error {
	defer j.running.Wait()
	waiting, stop := context.WithCancel(ctx)
	defer j.windows.Wait()
	defer stop()
	for {
		var e events.Event
		if err := from.NextInto(ctx, &e); err != nil {
			j.running.Wait()
			if errors.Is(err, io.EOF) {
				return j.pass(from.Cursor())
			}
			return err
		}
		e.Time = e.Time.Local()
		this := j.add(e.Cursor)
		if j.debounce > 0 && j.hold(waiting, this, &e) {
			continue
		}
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

// hold keeps an event back if its object had a job just now. The job of an event held
// back earlier then counts as done.
func (j *jobs) hold(ctx context.Context, this *job, e *events.Event) bool {
	object := objectOf(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	before, running := j.held[object]
	if !running {
		if j.held == nil {
			j.held = map[string]*heldEvent{}
		}
		j.held[object] = nil
		j.windows.Go(func() { j.release(ctx, object) })
		return false
	}
	if before != nil {
		before.job.over = true
	}
	j.held[object] = &heldEvent{this, *e}
	if err := j.noteDone(); err != nil {
		j.end(err)
	}
	return true
}

// objectOf identifies the object of an event: by name, which a recreated container
// keeps.
func objectOf(e *events.Event) string {
	uid, name := "", e.Name
	if e.UID != nil {
		uid = strconv.FormatUint(uint64(*e.UID), 10)
	}
	if name == "" {
		name = e.ID
	}
	return strings.Join([]string{e.Host, uid, string(e.Type), name}, " ")
}

// release runs the job of an object's held event whenever the debounce time has passed,
// until no event is held.
func (j *jobs) release(ctx context.Context, object string) {
	timer := time.NewTimer(j.debounce)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		j.mu.Lock()
		held := j.held[object]
		if held == nil {
			delete(j.held, object)
			j.mu.Unlock()
			return
		}
		j.held[object] = nil
		j.mu.Unlock()
		select {
		case j.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		timer.Reset(j.debounce)
		j.finish(held.job, j.run(&held.event))
		<-j.slots
	}
}

func (j *jobs) add(cursor string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	this := &job{cursor: cursor}
	j.queue = append(j.queue, this)
	return this
}

// finish records the result of a job.
func (j *jobs) finish(this *job, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if stop, ok := errors.AsType[*stopWork](err); ok {
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

// pass records a position up to which no more events match.
func (j *jobs) pass(cursor string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, &job{cursor: cursor, over: true})
	return j.noteDone()
}

// noteDone records up to where everything is done. It is called with the lock held.
func (j *jobs) noteDone() error {
	// Of consecutive finished jobs only the last matters, so that the queue stays as
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
