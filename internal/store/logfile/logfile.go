package logfile

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
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
	// MaxSize bounds the log together with the files set aside, in bytes; 0: no bound.
	// Set it only for a log that no Podman rotates.
	MaxSize int64
	// Own: the log is eventsvc's own, and is created at once.
	Own bool
	// Named: the administrator chose the path. Then a path that is probably not an
	// event log's is a fault (CheckPath); the directory of Podman's log may appear
	// later.
	Named bool
	// Collected says that eventsvc collect wrote the log, from several hosts or users,
	// so that each line names its own. Only the administrator can say so: in any other
	// log such a name proves nothing.
	Collected Collected
	// LockTimeout bounds the wait for the lock that Podman's writers take; 0:
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// Sync says when written events survive a power failure; zero: SyncNever, as with
	// Podman.
	Sync Sync
	// Logger gets the store's log messages; nil: they are dropped.
	Logger *slog.Logger

	disk     disk          // nil: kernel
	patience time.Duration // 0: oldPatience
}

// Store is a log file. It is safe for concurrent use.
type Store struct {
	path     string
	named    bool // Options.Named
	chain    *chain
	skips    *skips
	indexer  *indexer
	syncs    *syncer
	follower *follower
	appender *appender
	past     *past

	running sync.WaitGroup // the threads that follow, and the indexer
	stopped chan struct{}  // closed by Close
	once    sync.Once
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
	o.setDefaults()
	chain, left := newChain(rand.Uint64(), o.Collected), &skips{path: path, log: o.Logger}
	indexer := newIndexer(chain, left)
	syncs := &syncer{mode: o.Sync, path: path, disk: o.disk, log: o.Logger, chain: chain}
	f := &follower{
		path: path, own: o.Own, disk: o.disk, log: o.Logger, chain: chain, skips: left, syncs: syncs, indexer: indexer,
		patience: o.patience,
	}
	s := &Store{
		path: path, named: o.Named, chain: chain, skips: left, indexer: indexer, syncs: syncs, follower: f,
		appender: newAppender(path, o.disk, f, syncs, &o), past: newPast(f), stopped: make(chan struct{}),
	}
	if o.Own && o.Collected == NotCollected { // a collected log is created by its collector, perhaps as another user
		if err := s.create(o.disk); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.disk == nil {
		o.disk = kernel{}
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.patience == 0 {
		o.patience = oldPatience
	}
	o.Own = o.Own || o.MaxSize > 0
}

// create creates the directory and file of eventsvc's own log.
func (s *Store) create(d disk) error {
	if err := d.mkdir(filepath.Dir(s.path)); err != nil {
		return errors.Wrap(err, "cannot create the directory of the log")
	}
	f, err := d.open(s.path, unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, fileMode)
	if err != nil {
		return errors.Wrap(err, "cannot create the log"+advice(err))
	}
	s.syncs.syncNames()
	return errors.Wrap(f.Close(), "cannot create the log")
}

// Type returns events.LogFile.
func (s *Store) Type() events.EventerType { return events.LogFile }

// Path returns the path of the log file.
func (s *Store) Path() string { return s.path }

// Follow begins to hand the sink new events.
func (s *Store) Follow(sink store.Sink) (store.Pos, string, error) {
	if err := s.follower.start(sink); err != nil {
		return store.Pos{}, "", err
	}
	pos, cursor := s.chain.pos(), s.chain.cursor()
	s.running.Go(func() { s.indexer.run(s.stopped) })
	s.running.Go(s.follower.arrivals.run)
	s.running.Go(s.follower.run)
	return pos, cursor, nil
}

// Look hands the sink at once what is new in the log. The error is an
// *events.UnavailableError if the log is there and cannot be read.
func (s *Store) Look() error { return s.follower.look() }

// Read begins a reading of the past.
func (s *Store) Read(ctx context.Context, start store.Start, query store.Query) (store.Reading, error) {
	r, err := s.past.read(ctx, start, query)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Last finds the newest record that matches the query.
func (s *Store) Last(ctx context.Context, query store.Query, b *store.Batch) (*store.Record, error) {
	return s.past.last(ctx, query, b)
}

// Append writes events to the log, under Podman's lock, as whole lines in one write:
// all events that have a line, or none. Options.Sync says when they survive a power
// failure. If the context ends first, which it can while another process holds the
// lock, nothing is written and the errors wrap the context's error. A collected log
// accepts no events.
func (s *Store) Append(ctx context.Context, batch []events.Event) []store.Written {
	if s.chain.collected != NotCollected {
		return refuseWrites(ctx, batch)
	}
	return s.appender.append(ctx, batch)
}

// Attend does nothing: the log is always followed.
func (s *Store) Attend(bool) {}

// Probe returns nil once both threads that follow the log have completed an iteration.
func (s *Store) Probe(ctx context.Context) error {
	if isClosed(s.stopped) {
		return nil
	}
	return s.follower.probe(ctx)
}

// Status returns the state of the store.
func (s *Store) Status() store.Status {
	_ = s.Look()
	var status store.Status
	status.Skipped, status.LastSkipped = s.skips.total()
	status.Fault, status.Read = s.follower.status()
	var fault string
	fault, status.Written = s.appender.status()
	status.Fault = cmp.Or(status.Fault, fault, s.syncs.fault())
	status.Oldest, status.Newest = s.past.span()
	if status.Fault == "" && s.named && status.Oldest.IsZero() {
		if err := CheckPath(s.path); err != nil {
			status.Fault = err.Error()
		}
	}
	return status
}

// Close stops following, waits for that and for writes in progress, and closes the
// files.
func (s *Store) Close() (err error) {
	s.once.Do(func() {
		close(s.stopped)
		s.follower.stop()
		s.running.Wait()
		s.follower.close()
		s.appender.drain()
		err = s.appender.close()
		s.chain.close()
	})
	return err
}
