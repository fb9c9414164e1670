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
	"github.com/eventsvc/eventsvc/internal/aside"
	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/store"
)

// appender writes events to the log, under Podman's lock. Callers who come while
// one of them writes share the next write, and the wait for the disk.
type appender struct {
	path     string
	disk     disk
	log      *slog.Logger
	lock     *fileLock
	timeout  time.Duration // for a caller, from its call to the lock
	maxSize  int64         // at which the log is set aside, 0: never
	follower *follower
	syncs    *syncer

	turn    chan struct{} // holds one while a caller writes
	closing chan struct{} // closed when no more is to be written

	mu      sync.Mutex
	waiting []*write
	fault   error  // what the last write failed with
	others  uint64 // how often others had been seen to write then
	count   uint64 // events that were written

	// Of the caller whose turn it is.
	file *os.File // kept open for appending
	id   fileID
}

// write is what one caller wants written, and what became of it.
type write struct {
	*encoded
	cursors []string
	err     error
	done    chan struct{}
}

// errClosed is returned for events that are written to a store that is closed.
var errClosed = errors.New("cannot write event: the store is closed")

func newAppender(path string, d disk, f *follower, y *syncer, o *Options) *appender {
	a := &appender{
		path: path, disk: d, log: o.Logger, lock: newFileLock(d, path+".lock"), timeout: o.LockTimeout,
		follower: f, syncs: y, turn: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if o.MaxSize > 0 {
		a.maxSize = max(1, o.MaxSize/(aside.Kept+1))
	}
	return a
}

// append writes events, whole lines in one write, all that have a line or none of
// them. They are not written if the context ends before they are written, which it
// can while another process holds the lock; the errors then wrap that of the
// context.
func (a *appender) append(ctx context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	w := &write{encoded: encodings.Get().(*encoded), cursors: make([]string, 0, len(batch)), done: make(chan struct{})}
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

// perform has events written, by this caller or one that is before it.
func (a *appender) perform(ctx context.Context, w *write) error {
	deadline := time.Now().Add(a.timeout)
	a.enqueue(w)
	select {
	case a.turn <- struct{}{}: // nearly always
	default:
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
		close(other.done)
	}
	return w.finish()
}

// finish returns what became of a write that is done.
func (w *write) finish() error {
	w.release() // no other goroutine has it any more
	return w.err
}

// giveUp takes a write back, unless it is done or being done.
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

// withdraw takes a write back. It returns false if it is being done, or was.
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

// takeLock takes the lock of the log, whose directory it makes if it is not there.
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

// setFault remembers what keeps events from being written, nil for nothing, and
// logs it once. What others wrote before proves nothing.
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

// status returns what keeps events from being written, "" for nothing, and how
// many were.
func (a *appender) status() (fault string, count uint64) {
	others := a.follower.writesOfOthers()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault != nil && !isOursAlone(a.fault) && others > a.others {
		a.setFaultLocked(nil, others) // another process can write
	}
	if a.fault != nil {
		fault = a.fault.Error()
	}
	return fault, a.count
}

// drain refuses further writes, and those that wait for the lock, and returns when
// the others are done.
func (a *appender) drain() {
	close(a.closing)
	a.turn <- struct{}{} // for good
}

// close closes the file that was appended to, and makes durable what is not.
func (a *appender) close() error {
	err := a.syncs.now()
	if a.file != nil {
		_ = a.file.Close()
		a.file = nil
	}
	a.lock.close()
	return err
}
