package logfile

import (
	"context"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// beat counts the iterations of a loop. The zero value is ready.
type beat struct {
	mu    sync.Mutex
	count uint64
	next  chan struct{} // closed by the next one, nil: no caller waits for it
}

// done is called at the end of each iteration.
func (b *beat) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// now returns the number of iterations, and a channel that the next one closes.
func (b *beat) now() (count uint64, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.count, b.next
}

// probe wakes both threads that follow the log out of their wait in the kernel, and
// waits until each has completed an iteration: one notes which file is at the path, the
// other reads what is new and hands it to the sink.
func (f *follower) probe(ctx context.Context) error {
	if f.watch == nil {
		return nil
	}
	if err := f.watch.rouse(ctx, &f.watch.arrivals, &f.arrivals.rounds); err != nil {
		return errors.WithMessage(err, "the thread that notices new log files is not responding")
	}
	err := f.watch.rouse(ctx, &f.watch.writes, &f.rounds)
	return errors.WithMessage(err, "the thread that reads the log is not responding")
}

// rousePause is after how long a thread is woken again, in case it was not waiting the
// first time.
const rousePause = 50 * time.Millisecond

// rouse wakes the thread that waits, and returns when it has completed an iteration.
func (w *watcher) rouse(ctx context.Context, thread *waiter, b *beat) error {
	before, next := b.now()
	for {
		w.nudge(thread)
		again := time.NewTimer(rousePause)
		select {
		case <-next:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		var count uint64
		if count, next = b.now(); count > before {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
