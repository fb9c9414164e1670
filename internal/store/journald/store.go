//go:build systemd && cgo

package journald

import (
	"cmp"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Store is a journal. It is safe for concurrent use.
type Store struct {
	directory string
	interval  time.Duration
	log       *slog.Logger
	journal   *sdjournal.Journal
	index     index
	ends      ends
	sending   chan struct{} // has one element while an entry is sent to journald

	attended atomic.Bool // a subscriber wants new events at once
	fresh    atomic.Bool // attended, but not read since
	watch    atomic.Pointer[sdjournal.Watch]
	stop     chan struct{}
	done     sync.WaitGroup

	// forward is held while the mark is moved. mu is only taken with it, and briefly,
	// to record something: no call waits for decoding.
	forward sync.Mutex
	h       *sdjournal.Reader // of the follower
	decoder decoder
	entries []sdjournal.Entry
	scratch []byte // for a line; no longer than one of limits.JournalEntry makes it

	mu       sync.Mutex
	closed   bool
	sink     store.Sink
	oldest   sdjournal.Reach // how far the journal reached back when it was last checked
	mark     mark            // written only by the holder of forward
	ring     [ringSize]mark
	pending  map[string][]*pending
	read     uint64
	written  uint64
	skipped  uint64
	skips    map[sdjournal.Key]struct{}
	lastSkip string
	skipLog  limits.Throttle
	fault    error
}

// mark is a position up to which the store has been followed.
type mark struct {
	pos    int64 // numbers the marks and records since the store was opened
	place  sdjournal.Place
	known  bool   // there is an entry at sdjournal.Place; otherwise there was none at all
	origin uint64 // if not: when that was, in µs since the epoch
}

// ringSize is how many positions are remembered. For an older one, its cursor is
// needed.
const ringSize = 4096

// generation is the generation of every position of this store.
const generation = 1

func (m *mark) storePos() store.Pos { return store.Pos{Generation: generation, Offset: m.pos} }

// cursor returns the cursor of the mark.
func (m *mark) cursor() string {
	if !m.known {
		return string(appendCursor(nil, kindOrigin, &sdjournal.Key{Realtime: m.origin}, 0))
	}
	return string(appendCursor(nil, kindAfter, &m.place.Key, m.place.Twin))
}

// Supported returns nil if the journal can be read, otherwise why not and what to do.
func Supported() error { return sdjournal.Supported() }

// Open opens the journal for following, reading and appending.
func Open(o Options) (store.Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	journal, err := sdjournal.Open(sdjournal.Options{Directory: o.Directory, Only: ofPodman[0][0][0], MaxEntry: limits.JournalEntry, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	s := &Store{
		directory: o.Directory, interval: o.Interval, log: o.Logger, journal: journal,
		sending: make(chan struct{}, 1), stop: make(chan struct{}),
		pending: make(map[string][]*pending), skips: make(map[sdjournal.Key]struct{}),
	}
	s.mark.origin = uint64(time.Now().UnixMicro())
	return s, nil
}

// ofHost reports whether the journal is this host's, which only journald writes.
func (s *Store) ofHost() bool { return s.journal.OfHost() }

// Type returns events.Journald.
func (s *Store) Type() events.EventerType { return events.Journald }

// Path returns the directory of the journal.
func (s *Store) Path() string { return s.journal.Path() }

// Follow begins to hand the sink new events.
func (s *Store) Follow(sink store.Sink) (store.Pos, string, error) {
	w, err := s.journal.Watch(s.interval)
	if err != nil {
		return store.Pos{}, "", err
	}
	s.forward.Lock()
	defer s.forward.Unlock()
	err = retry(s.jump)
	s.setFault(cmp.Or(err, s.partly()))
	if s.h != nil {
		if others, _ := s.h.Denied(); others > 0 {
			s.log.Info("this user may read its own files of the journal alone: events in the others are left out", "others", others)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sink = sink
	s.watch.Store(w)
	s.done.Add(1)
	go s.follow(w)
	return s.mark.storePos(), s.mark.cursor(), nil
}

// Close stops following and frees the store's resources.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.wakeUp()
	s.done.Wait()
	s.forward.Lock()
	defer s.forward.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h != nil {
		s.h.Close()
		s.h = nil
	}
	s.oldest.Close()
	s.index.close()
	return nil
}

// setFault records why the journal cannot be read, nil if it can, and logs a change
// once.
func (s *Store) setFault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && s.fault != nil:
		s.log.Info("the journal can be read again", messageid.Recovered)
	case err != nil && (s.fault == nil || s.fault.Error() != err.Error()):
		s.log.Warn("cannot read the journal", messageid.Fault, "error", err)
	}
	s.fault = err
}

// unavailable wraps an error of the journal for the caller.
func unavailable(err error) error {
	return &events.UnavailableError{Backend: events.Journald, Reason: err.Error()}
}

// maxSkips bounds the entries that are remembered, so that one is counted once however
// often it is read.
const maxSkips = 1 << 16

// noteSkip counts an entry that could not be decoded, or only in part, once.
func (s *Store) noteSkip(p *sdjournal.Place, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.skips[p.Key]; again {
		return
	}
	if len(s.skips) >= maxSkips {
		clear(s.skips) // rather count one twice than stop counting
	}
	s.skips[p.Key] = struct{}{}
	s.skipped++
	s.lastSkip = fmt.Sprintf("journal entry %s: %v", p.Text(), reason)
	if ok, more := s.skipLog.Pass(limits.DenialBurst, limits.DenialPause); ok {
		s.log.Warn("left out an entry of the journal", "cursor", p.Text(), "reason", reason, "unreported", more)
	}
}
