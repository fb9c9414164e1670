package logfile

import (
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/store"
)

// follower reads what is new in the log, through rotation, and hands it to the sink:
// each event once, in log order, or an emission that says that some may be lost.
// Nothing else changes the chain.
type follower struct {
	path    string
	own     bool // no Podman rotates the log
	disk    disk
	log     *slog.Logger
	chain   *chain
	skips   *skips
	syncs   *syncer
	indexer *indexer
	// patience is how long reading a replaced file is retried.
	patience time.Duration

	// State of following, which has begun if there is a watcher.
	watch    *watcher
	arrivals *arrivals
	rounds   beat

	// mu is held while new events are read and while the log is written to: what is
	// written here reaches the sink before anything newer.
	mu          sync.Mutex
	sink        store.Sink
	seen        func([]store.Record) // gets the same records as the sink; nil: not used
	unchanged   time.Time            // modification time of the current file when it had last been read to its end
	barred      time.Time            // since when it could not be read though it has a successor, zero: it can
	fault       error                // why the log cannot be read
	isPolled    bool                 // polling was logged
	read        uint64               // events handed to the sink
	remembered  uint64               // of these, taken from memory
	others      uint64               // how often events were read that were not written here
	ownFile     fileID               // the file last written to here
	ownEnd      int64                // the offset after that write
	successions successions
	closed      bool
}

// start begins to follow the log, from its end.
func (f *follower) start(sink store.Sink) error {
	w, err := newWatcher(f.disk, f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch, f.arrivals, f.sink = w, newArrivals(f.disk, f.path, w), sink
	if f.own {
		f.openKept()
	}
	f.setFault(f.openFirst())
	f.notePolled()
	if f.fault != nil {
		w.again()
	}
	f.noteGrowth()
	return nil
}

// openFirst adopts the file that is at the path when following begins, from its end.
func (f *follower) openFirst() error {
	f.arrivals.note()
	g, _, err := f.arrivals.next()
	if g == nil {
		return err
	}
	f.arrivals.pop()
	g.whole = f.own
	f.watch.armFile(g.f)
	size, err := g.size()
	off, numbers := int64(0), twins{}
	if err == nil {
		off, err = g.wholeEnd(size)
	}
	if err == nil {
		numbers, err = g.warm(off)
	}
	f.adopt(g, off, numbers)
	f.syncs.syncSuccessor(g)
	return err
}

// pauseTime is the least time between two reads while much is written, so that one read
// covers what several writers do. Much is burst events or more in one read: a writer
// that waits for each event is not delayed. The same pause follows a read that found
// nothing because the events written here had been taken from memory. That will happen
// again, so those pauses grow, up to longestPause.
const (
	pauseTime    = 300 * time.Microsecond
	longestPause = 4 * pauseTime
	burst        = 4
)

// run reads what is new whenever the log is written to, until the watcher is
// interrupted.
func (f *follower) run() {
	runtime.LockOSThread()
	var last time.Time
	var before, ownBefore uint64
	inVain := pauseTime
	for f.watch.waitForWrites() {
		read, _ := f.counts()
		if since := time.Since(last); since < pauseTime && read >= before+burst {
			pause(pauseTime - since)
		}
		before = read
		for more := true; more; f.rounds.done() {
			var err error
			if more, err = f.lookOnce(); err != nil {
				f.log.Debug("cannot follow the log", "path", f.path, "error", err)
			}
		}
		last = time.Now()
		found, own := f.counts()
		if found > read || own == ownBefore {
			inVain = pauseTime
		} else {
			pause(inVain)
			inVain = min(2*inVain, longestPause)
		}
		ownBefore = own
	}
}

// pause sleeps in the kernel, as the wait for reports does.
func pause(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}

// counts returns how many events were handed to the sink, and how many of them came
// from memory.
func (f *follower) counts() (read, remembered uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read, f.remembered
}

// writesOfOthers returns how often events were read that were not written here.
func (f *follower) writesOfOthers() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.others
}

// look hands the sink at once what is new in the log. The error is an
// *events.UnavailableError if the log exists and cannot be read.
func (f *follower) look() error {
	for {
		more, err := f.lookOnce()
		if !more {
			return err
		}
	}
}

// lookOnce does one slice of a look; between slices, others get the lock.
func (f *follower) lookOnce() (more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lookSlice()
}

// lookLocked is look with the lock held.
func (f *follower) lookLocked() error {
	for {
		more, err := f.lookSlice()
		if !more {
			return err
		}
	}
}

func (f *follower) lookSlice() (more bool, err error) {
	if f.closed || f.sink == nil {
		return false, nil
	}
	more, err = f.lookAtPath()
	f.noteGrowth()
	f.setFault(err)
	f.notePolled()
	if err != nil {
		// The fault may go away without a report of the kernel.
		f.watch.again()
		return false, unavailable(err)
	}
	return more, nil
}

// lookAtPath reads what was appended, and follows the path through the files that
// replaced the current one, in order. more reports whether there is more to read.
func (f *follower) lookAtPath() (more bool, err error) {
	f.arrivals.note()
	for {
		g, missing, err := f.arrivals.next()
		if g == nil {
			return f.lookAtPresent(missing, err)
		}
		done, more, err := f.succeed(g)
		if !done {
			return more, err
		}
		f.arrivals.pop()
	}
}

// lookAtPresent reads what was appended to the generation that has no successor.
func (f *follower) lookAtPresent(missing bool, err error) (more bool, _ error) {
	if f.chain.current == nil || err != nil {
		return false, err
	}
	more, err = f.catchUp()
	f.chain.setGone(missing)
	if !more && err == nil && f.arrivals.wasSwapped() {
		f.log.Warn("the log was missing for a moment, and another file may have been in its place; events may have been lost", messageid.Lost,
			"path", f.path)
		f.emitPlace(true)
	}
	return more, err
}

// sliceBytes is how much is read with the lock held, unless one line is longer.
const sliceBytes = 1 << 20

// advance reads the whole lines appended to the current generation and hands them to
// the sink. more reports whether there are more.
func (f *follower) advance() (more bool, err error) {
	g := f.chain.current
	for first := f.chain.off; ; {
		size, err := g.size()
		if err != nil {
			return false, err
		}
		off := f.chain.off
		if size <= off {
			return false, nil
		}
		// The records keep this buffer alive, so it is no larger than necessary.
		c, _, err := g.readChunk(make([]byte, min(size-off, chunkSize)), off, size)
		if err != nil || c.next == off {
			return false, err
		}
		f.emit(&c, nil)
		if c.next-first >= sliceBytes {
			return true, nil
		}
	}
}

// adopt makes a file the followed log.
func (f *follower) adopt(g *generation, off int64, numbers twins) {
	f.chain.adopt(g, off, numbers)
	f.unchanged, f.barred = time.Time{}, time.Time{}
}

func (f *follower) noteGrowth() { f.indexer.noteGrowth(f.chain.current, f.chain.off) }

// setFault records why the log cannot be read, nil if it can, and logs a change once.
func (f *follower) setFault(err error) {
	switch {
	case err == nil && f.fault != nil:
		f.log.Info("the log can be read again", messageid.Recovered, "path", f.path)
	case err != nil && (f.fault == nil || f.fault.Error() != err.Error()):
		f.log.Warn("cannot read the log", messageid.Fault, "path", f.path, "error", err)
	}
	f.fault = err
}

// notePolled logs once when the log begins or stops to be polled.
func (f *follower) notePolled() {
	err := f.watch.polled()
	switch {
	case err != nil && !f.isPolled:
		f.log.Warn("cannot watch the log: it is read four times a second instead", messageid.Fault, "path", f.path, "error", err)
	case err == nil && f.isPolled:
		f.log.Info("the log is watched again", messageid.Recovered, "path", f.path)
	}
	f.isPolled = err != nil
}

// status returns why the log cannot be read or watched, "" if it can, and how many
// events were handed to the sink.
func (f *follower) status() (fault string, read uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		return unavailable(f.fault).Error(), f.read
	}
	if f.watch != nil {
		if err := f.watch.polled(); err != nil {
			fault = err.Error() + "; it is read four times a second instead"
		}
	}
	return fault, f.read
}

// stop makes the threads that follow the log end.
func (f *follower) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.watch != nil {
		f.watch.interrupt()
	}
}

// close frees the follower's resources, after its threads have ended.
func (f *follower) close() {
	if f.watch != nil {
		f.watch.close()
		f.arrivals.close()
	}
}
