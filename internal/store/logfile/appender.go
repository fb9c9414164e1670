package logfile

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/store"
)

// appender writes events to the log, under Podman's lock. Callers that arrive during a
// write are batched into the next one, and share its wait for the disk.
type appender struct {
	path     string
	disk     disk
	log      *slog.Logger
	lock     *fileLock
	timeout  time.Duration // for a caller, from its call to the lock
	maxSize  int64         // the log is set aside at this size, 0: never
	follower *follower
	syncs    *syncer

	turn    chan struct{} // has one element while a caller writes
	closing chan struct{} // closed when no more writes are accepted

	mu      sync.Mutex
	waiting []*write
	fault   error  // why the last write failed
	others  uint64 // follower.others at that moment
	count   uint64 // events that were written

	// Used only by the caller that has the turn.
	file *os.File // kept open for appending
	id   fileID
}

// write is the events of one caller, and the outcome.
type write struct {
	*encoded
	cursors []string
	err     error
	done    chan struct{} // closed when it is completed; nil: its caller has the turn
}

// errClosed is returned for events written to a closed store.
var errClosed = errors.New("cannot write event: the store is closed")

func newAppender(path string, d disk, f *follower, y *syncer, o *Options) *appender {
	a := &appender{
		path: path, disk: d, log: o.Logger, lock: newFileLock(d, path+".lock"), timeout: o.LockTimeout,
		follower: f, syncs: y, turn: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if o.MaxSize > 0 {
		a.maxSize = max(1, o.MaxSize/(rotated.Kept+1))
	}
	return a
}

// append writes events as whole lines in one write: all events that have a line, or
// none of them. If the context ends first, which it can while another process holds the
// lock, nothing is written and the errors wrap the context's error.
func (a *appender) append(ctx context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	w := &write{encoded: encodings.Get().(*encoded), cursors: make([]string, 0, len(batch))}
	for i := range batch {
		results[i].Err = w.add(&batch[i])
	}
	if len(w.hashes) == 0 {
		w.release()
		return results
	}
	err := a.perform(ctx, w)
	next := 0
	for i := range results {
		switch r := &results[i]; {
		case r.Err != nil:
		case err != nil:
			r.Err = err
		default:
			r.Cursor = w.cursors[next]
			next++
		}
	}
	return results
}

// perform gets the events written, by this caller or by an earlier one.
func (a *appender) perform(ctx context.Context, w *write) error {
	deadline := time.Now().Add(a.timeout)
	select {
	case a.turn <- struct{}{}: // nearly always
		a.enqueue(w)
	default:
		w.done = make(chan struct{})
		a.enqueue(w)
		timer := time.NewTimer(a.timeout)
		defer timer.Stop()
		select {
		case a.turn <- struct{}{}:
		case <-w.done:
			return w.finish()
		case <-timer.C:
			return a.giveUp(w, errLocked)
		case <-ctx.Done():
			return a.giveUp(w, ctx.Err())
		case <-a.closing:
			return a.giveUp(w, errClosed)
		}
	}
	defer func() { <-a.turn }()
	if !a.isWaiting(w) {
		<-w.done
		return w.finish()
	}
	if err := a.takeLock(ctx, deadline); err != nil {
		return a.giveUp(w, err)
	}
	all := a.takeWaiting()
	a.writeAll(all)
	for _, other := range all {
		if other.done != nil {
			close(other.done)
		}
	}
	return w.finish()
}

// finish returns the outcome of a completed write.
func (w *write) finish() error {
	w.release() // no other goroutine uses it any more
	return w.err
}

// giveUp withdraws a write, unless it is completed or in progress.
func (a *appender) giveUp(w *write, reason error) error {
	if !a.withdraw(w) {
		<-w.done
		return w.finish()
	}
	switch {
	case errors.Is(reason, errClosed):
		return unwritable(reason)
	case errors.Is(reason, context.Canceled), errors.Is(reason, context.DeadlineExceeded):
		return errors.WithMessage(reason, "cannot write event")
	}
	a.setFault(reason)
	return unwritable(reason)
}

// unwritable is the error for a caller whose events could not be written.
func unwritable(reason error) error {
	return &events.UnavailableError{Backend: events.LogFile, Reason: reason.Error()}
}

func (a *appender) enqueue(w *write) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, w)
}

// withdraw takes a write out of the queue. It returns false if the write is in progress
// or completed.
func (a *appender) withdraw(w *write) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.waiting, w)
	if i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	return i >= 0
}

func (a *appender) isWaiting(w *write) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.waiting, w)
}

func (a *appender) takeWaiting() []*write {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.waiting
	a.waiting = nil
	return all
}

// takeLock takes the lock of the log. It creates the log's directory if it is missing.
func (a *appender) takeLock(ctx context.Context, deadline time.Time) error {
	if isClosed(a.closing) {
		return errClosed
	}
	err := a.lock.lock(ctx, deadline, a.closing)
	if errors.Is(err, os.ErrNotExist) {
		if err = a.makeDir(); err == nil {
			err = a.lock.lock(ctx, deadline, a.closing)
		}
	}
	return err
}

// makeDir makes the directory of the log.
func (a *appender) makeDir() error {
	return errors.Wrap(a.disk.mkdir(filepath.Dir(a.path)), "cannot create the directory of the log")
}

// setFault records why events cannot be written, nil if they can, and logs a change
// once. What other processes wrote before this moment is no evidence that the fault is
// over.
func (a *appender) setFault(err error) {
	others := uint64(0)
	if err != nil {
		_ = a.follower.look()
		others = a.follower.writesOfOthers()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.setFaultLocked(err, others)
}

func (a *appender) setFaultLocked(err error, others uint64) {
	switch {
	case err == nil && a.fault != nil:
		a.log.Info("events can be written again", messageid.Recovered, "path", a.path)
	case err != nil && (a.fault == nil || a.fault.Error() != err.Error()):
		a.log.Warn("cannot write events", messageid.Fault, "path", a.path, "error", err)
	}
	a.fault, a.others = err, others
}

// status returns why events cannot be written, "" if they can, and how many were
// written.
func (a *appender) status() (fault string, count uint64) {
	others := a.follower.writesOfOthers()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil && !isOursAlone(a.fault) && others > a.others {
		a.setFaultLocked(nil, others) // another process was able to write
	}
	if a.fault != nil {
		fault = a.fault.Error()
	}
	return fault, a.count
}

// drain refuses new writes and those still waiting for the lock, and returns when the
// writes in progress are complete.
func (a *appender) drain() {
	close(a.closing)
	a.turn <- struct{}{} // never given back
}

// close closes the log file, and syncs what is not durable yet.
func (a *appender) close() error {
	err := a.syncs.now()
	if a.file != nil {
		_ = a.file.Close()
		a.file = nil
	}
	a.lock.close()
	return err
}
