package logfile

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Options say which log file to open and how.
type Options struct {
	// Path is the path of the log file. It need not exist yet.
	Path string
	// MaxSize bounds the log with what of it is kept aside, in bytes; 0: no
	// bound. It is only for a log that no Podman rotates.
	MaxSize int64
	// Own says that the log is eventsvc's own: it is created at once.
	Own bool
	// Named says that the path was chosen by hand: that its directory does not
	// exist is a fault, while that of a Podman may be still to come.
	Named bool
	// Collected says that the log was collected from several hosts or users by
	// eventsvc collect, so that each line names its own. It is for the
	// administrator to say: a line of another log proves nothing by such a name.
	Collected bool
	// LockTimeout bounds the wait for the lock that Podman's writers take; 0:
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// Sync says when what is written outlives a power failure; zero:
	// SyncNever, as Podman does.
	Sync Sync
	// Logger takes what the store has to say about itself; nil: nobody.
	Logger *slog.Logger

	disk     disk          // nil: kernel
	patience time.Duration // 0: oldPatience
}

// Store is a log file. It is safe for concurrent use.
type Store struct {
	path  string
	own   bool
	named bool
	// collected is that of Options.
	collected bool
	log       *slog.Logger
	disk      disk
	lock      *fileLock
	maxSeg    int64 // size at which the own log is set aside, 0: never
	// patience is how long a file that was replaced is tried to be read.
	patience time.Duration

	appends  appendQueue
	syncs    syncs
	watch    *watcher
	arrivals arrivals
	origin   uint64 // the name of the time before there was a file
	indexer  indexer
	grown    chan struct{} // holds one when there is something to index
	stopped  chan struct{} // closed by Close
	helpers  chan struct{} // holds one for each helper of a sweep
	busy     atomic.Int32  // readings that are reading now
	followed beat          // of the thread that reads what is written
	noted    beat          // of the thread that notes what appears at the path

	successions successions // that the log was not told of
	leftOut     leftOut
	done        sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	sink      store.Sink
	chain     []*generation // in the store, oldest first; the last may be cur
	held      []*generation // retired, no longer in the store, held for readings
	cur       *generation   // the one that is followed, nil before there was a file
	off       int64         // how far cur was followed
	twins     twins         // at off
	gone      bool          // cur is no longer at the path
	unchanged time.Time     // modification time of cur when it last was what was read of it
	barred    time.Time     // since when cur could not be read though it has a successor, zero: it can
	nextSeq   uint64
	readings  map[*reading]struct{}
	read      uint64
	written   uint64
	skipped   uint64
	lastSkip  string
	fault     error  // of reading
	cannot    error  // write: what the last write failed with
	ownFile   fileID // to which was last written
	ownEnd    int64  // behind that
}

// Open opens the log file at the path for following, reading and appending. It
// creates an own log; Podman's need not exist yet.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("cannot open the log: no path was given")
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, errors.Wrapf(err, "cannot open the log %s", o.Path)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.disk == nil {
		o.disk = kernel{}
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	s := &Store{
		path: path, own: o.Own || o.MaxSize > 0, named: o.Named, collected: o.Collected, log: o.Logger, disk: o.disk,
		lock: newFileLock(o.disk, path+".lock", o.LockTimeout), syncs: syncs{mode: o.Sync},
		origin: rand.Uint64(), grown: make(chan struct{}, 1), stopped: make(chan struct{}),
		helpers: make(chan struct{}, runtime.NumCPU()), readings: make(map[*reading]struct{}), nextSeq: 1,
	}
	if s.patience = o.patience; s.patience == 0 {
		s.patience = oldPatience
	}
	s.indexer.s = s
	if o.MaxSize > 0 {
		s.maxSeg = max(1, o.MaxSize/(keptSegments+1))
	}
	if s.own {
		if err := s.createOwn(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// createOwn makes the directory and the file of a log of eventsvc's own.
func (s *Store) createOwn() error {
	if err := s.disk.mkdir(filepath.Dir(s.path)); err != nil {
		return errors.Wrap(err, "cannot create the directory of the log")
	}
	f, err := s.disk.open(s.path, unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, fileMode)
	if err != nil {
		return errors.Wrap(err, "cannot create the log"+advice(err))
	}
	s.syncNames()
	return errors.Wrap(f.Close(), "cannot create the log")
}

// Type returns events.LogFile.
func (s *Store) Type() events.EventerType { return events.LogFile }

// Path returns the path of the log file.
func (s *Store) Path() string { return s.path }

// Follow begins to tell the sink what is new.
func (s *Store) Follow(sink store.Sink) (store.Pos, string, error) {
	watch, err := newWatcher(s.disk, s.path)
	if err != nil {
		return store.Pos{}, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch, s.sink = watch, sink
	s.arrivals.path, s.arrivals.disk, s.arrivals.watch = s.path, s.disk, watch
	if s.own {
		s.openKept()
	}
	s.openFirst()
	s.noteGrowth()
	s.done.Add(3)
	go s.keepIndex()
	go s.follow()
	go s.watchArrivals()
	return s.posLocked(), s.cursorLocked(), nil
}

// openFirst adopts the file that is the log when following begins, from its end
// on.
func (s *Store) openFirst() {
	defer func() {
		if s.fault != nil {
			s.watch.again()
		}
	}()
	s.arrivals.note()
	g, _, err := s.arrivals.next()
	if g == nil {
		s.setFault(err)
		return
	}
	s.arrivals.pop()
	s.adopt(g)
	g.whole = s.own
	s.watch.armFile(g.f)
	s.syncSuccessor(g)
	size, err := g.size()
	if err == nil {
		s.off, err = g.wholeEnd(size)
	}
	if err == nil {
		s.twins, err = g.warm(s.off)
	}
	s.setFault(err)
}

// adopt makes a file the log that is followed.
func (s *Store) adopt(g *generation) {
	g.seq = s.nextSeq
	s.nextSeq++
	g.refs++ // of the chain
	s.chain = append(s.chain, g)
	s.cur, s.off, s.gone, s.unchanged, s.barred = g, 0, false, time.Time{}, time.Time{}
}

// posLocked returns how far the log was followed.
func (s *Store) posLocked() store.Pos {
	if s.cur == nil {
		return store.Pos{}
	}
	return s.cur.pos(s.off)
}

// cursorLocked names how far the log was followed.
func (s *Store) cursorLocked() string {
	return string(appendPosition(make([]byte, 0, 64), s.cur, s.off, &s.twins, s.origin))
}

// appendPosition appends the cursor for an offset in a generation, nil for the
// place before the first file, which the origin names.
func appendPosition(dst []byte, g *generation, off int64, t *twins, origin uint64) []byte {
	c := cursor{kind: kindOrigin, genID: origin}
	if g != nil {
		c.genID, c.hinted, c.hint = g.id, true, hint{genID: g.id, off: off}
		if id, ok := t.last(); ok {
			c.kind, c.id = kindAfter, id
		}
	}
	return appendCursor(dst, c)
}

// Close ends following, waits for it and for what is being written, and closes
// the files.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.stopped)
	following := s.watch != nil
	s.mu.Unlock()
	if following {
		s.watch.interrupt()
		s.done.Wait()
		s.watch.close()
	}
	s.appends.drain()
	err := s.closeAppended()
	s.lock.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range append(s.chain, s.held...) {
		s.release(g)
	}
	s.arrivals.close()
	s.chain, s.held = nil, nil
	return err
}

// release gives up one reference to a generation.
func (s *Store) release(g *generation) {
	if g.refs--; g.refs == 0 {
		_ = g.f.Close()
	}
}

// setFault remembers what keeps the log from being read, nil for nothing, and
// says so once.
func (s *Store) setFault(err error) {
	switch {
	case err == nil && s.fault != nil:
		s.log.Info("the log can be read again", "path", s.path)
	case err != nil && (s.fault == nil || s.fault.Error() != err.Error()):
		s.log.Warn("cannot read the log", "path", s.path, "error", err)
	}
	s.fault = err
}

// setWriteFault remembers what keeps events from being written, nil for
// nothing, and says so once.
func (s *Store) setWriteFault(err error) {
	switch {
	case err == nil && s.cannot != nil:
		s.log.Info("events can be written again", "path", s.path)
	case err != nil && (s.cannot == nil || s.cannot.Error() != err.Error()):
		s.log.Warn("cannot write events", "path", s.path, "error", err)
	}
	s.cannot = err
}

// ignoreMissing drops the error that the file is not there: that is a log
// without events.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// maxSkips bounds the places per generation that are remembered so that a line
// is counted once, however often it is read.
const maxSkips = 1 << 16

// skip counts a line that could not be decoded, once.
func (s *Store) skip(g *generation, off int64, reason error) {
	if _, again := g.skips[off]; again || len(g.skips) >= maxSkips {
		return
	}
	if g.skips == nil {
		g.skips = make(map[int64]struct{})
	}
	g.skips[off] = struct{}{}
	s.skipped++
	s.lastSkip = fmt.Sprintf("%s, byte %d: %v", filepath.Base(s.path), off, reason)
	s.tellSkip(off, reason)
}

// MissingDirectory returns an error if the directory of the log does not exist,
// which the first event that is written here makes.
func MissingDirectory(path string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Errorf("there is no directory %s for the log; check the spelling of the path, or write an event to make it", dir)
}

// Status returns the state of the store.
func (s *Store) Status() store.Status {
	_ = s.Look()
	s.mu.Lock()
	status := store.Status{
		Read: s.read, Written: s.written, Skipped: s.skipped, LastSkipped: s.lastSkip,
	}
	switch {
	case s.fault != nil:
		status.Fault = s.unavailable(s.fault).Error()
	case s.cannot != nil:
		status.Fault = s.cannot.Error()
	default:
		status.Fault = s.syncs.fault()
	}
	if status.Fault == "" && s.named {
		if err := MissingDirectory(s.path); err != nil {
			status.Fault = err.Error()
		}
	}
	if status.Fault == "" && s.watch != nil {
		if err := s.watch.polled(); err != nil {
			status.Fault = err.Error() + "; it is looked at four times a second instead"
		}
	}
	s.mu.Unlock()
	ctx := context.Background()
	if r, err := s.Read(ctx, store.Start{}, store.Everything()); err == nil {
		var b store.Batch
		if r.(*reading).nextSome(ctx, &b, 1) == nil {
			status.Oldest = b.Records[0].Event().Time
		}
		r.Close()
	}
	var b store.Batch
	if newest, err := s.Last(ctx, store.Everything(), &b); err == nil {
		status.Newest = newest.Event().Time
	}
	return status
}

// unavailable wraps an error of the file system for those who asked.
func (s *Store) unavailable(err error) error {
	return &events.UnavailableError{Backend: events.LogFile, Reason: faultReason(err)}
}

func faultReason(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "cannot read the log: " + err.Error() + "; run eventsvc as the user whose Podman writes it"
	case errors.Is(err, errNoFile):
		return "cannot read the log: " + err.Error()
	case errors.Is(err, os.ErrNotExist):
		return "cannot read the log: " + err.Error()
	}
	if reason := err.Error(); strings.HasPrefix(reason, "cannot ") {
		return reason
	}
	return "cannot read the log: " + err.Error() + advice(err)
}
