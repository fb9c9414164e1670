package logfile

import (
	"context"
	"sync"
	"time"

	"github.com/pkg/errors"
)

// beat counts how often a loop has gone round. The zero value is ready.
type beat struct {
	mu    sync.Mutex
	count uint64
	next  chan struct{} // closed with the next one, nil: none is waited for
}

// done is called at the end of each round.
func (b *beat) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// now returns how many rounds there were, and a channel that is closed with the
// next.
func (b *beat) now() (count uint64, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.count, b.next
}

// probe has the kernel wake both threads that follow the log, where they wait for
// it to report events, and waits until each has gone round: the one notes which
// file is at the path, the other reads what is new and hands it to the sink.
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

// rousePause is after how long a thread is roused again, should it have been
// under way already.
const rousePause = 50 * time.Millisecond

// rouse wakes the thread that waits, and returns when it has gone round.
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
