// Package feed is one reading of a store, shared by all its subscribers. Each event is
// read once, and encoded once for each interface; subscribers are positions in a
// bounded log of ready frames in memory. One that falls behind that log continues from
// the store, by its position, and rejoins later; those at the same place share what is
// read. Nothing waits for it.
//
// It promises each subscriber every event, once, in the order of the store, or an
// *events.ExpiredError. It knows neither Varlink nor D-Bus: an interface gives it an
// Encoder.
//
// The memory log is a list of chunks, each of which is what the store reported at once.
// The last has a channel that is closed when another follows. Only that wakes a
// subscriber; none takes a lock while it keeps up.
package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/internal/store"
)

// Encoder appends the frame of a record in the form of an interface. For the same
// record it must always give the same bytes.
type Encoder func(frame []byte, r *store.Record) []byte

// Format is an encoder known to a feed: frames are encoded once for each format,
// however many subscribers there are.
type Format struct {
	index  int
	encode Encoder
}

// The bounds of the memory log. Beyond baseSize, only chunks that the store cannot
// return again are kept, for subscribers that are behind; beyond maxSize, nothing.
const (
	baseSize = 8 << 20
	maxSize  = 64 << 20
)

// ErrClosed is returned when the feed is shut down.
var ErrClosed = errors.New("cannot continue: the service is shutting down")

// Feed is one reading of a store. It is safe for concurrent use.
type Feed struct {
	st      store.Store
	formats int
	base    int // baseSize, except in tests
	max     int // maxSize, except in tests
	now     func() time.Time
	closed  chan struct{}
	once    sync.Once // closes closed
	changed func()    // set by OnSubscribers; nil: not used

	observer Observer // nil: not used
	replays  replays

	mu     sync.Mutex
	chunks []*chunk // oldest first, never empty once started
	size   int
	subs   map[*Subscription]struct{}
}

// New returns a feed of the store. Call Start before Subscribe.
func New(st store.Store) *Feed {
	return &Feed{st: st, base: baseSize, max: maxSize, now: time.Now, closed: make(chan struct{}), subs: make(map[*Subscription]struct{})}
}

// Register adds a format. Call it before Start.
func (f *Feed) Register(e Encoder) *Format {
	format := &Format{index: f.formats, encode: e}
	f.formats++
	return format
}

// Start begins to follow the store.
func (f *Feed) Start() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	pos, cursor, err := f.st.Follow(f.take)
	if err != nil {
		return err
	}
	f.chunks = []*chunk{{start: pos, end: pos, cursor: cursor, more: make(chan struct{})}}
	if f.observer != nil {
		f.st.Attend(true) // it counts events also while no client follows
	}
	return nil
}

// Store returns the store that the feed reads.
func (f *Feed) Store() store.Store { return f.st }

// Subscribers returns how many subscriptions are open.
func (f *Feed) Subscribers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for s := range f.subs {
		if !s.request.Unlisted {
			n++
		}
	}
	return n
}

// Close ends all subscriptions with ErrClosed. It does not close the store.
func (f *Feed) Close() {
	f.once.Do(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(f.closed)
		if n := len(f.chunks); n > 0 {
			close(f.chunks[n-1].more)
		}
	})
}

func (f *Feed) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// take is the store's sink.
func (f *Feed) take(e store.Emission) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isClosed() {
		return
	}
	last := f.chunks[len(f.chunks)-1]
	c := &chunk{
		seq: last.seq + 1, start: last.end, end: e.Pos, cursor: e.Cursor, records: e.Records, lost: e.Lost,
		users: usersOf(e.Records), more: make(chan struct{}), frames: make([]frames, f.formats),
	}
	c.size = c.estimate()
	f.chunks = append(f.chunks, c)
	f.size += c.size
	last.next.Store(c)
	close(last.more)
	f.trim()
	if f.observer != nil {
		f.observer.Emitted(e.Records, e.Lost)
	}
}

// trim drops the oldest chunks beyond the bounds of the memory log.
func (f *Feed) trim() {
	needed := uint64(0) // the oldest chunk that a subscriber is at, once determined
	for f.size > f.base && len(f.chunks) > 1 {
		oldest, newest := f.chunks[0], f.chunks[len(f.chunks)-1]
		if f.size <= f.max && oldest.end.Generation != newest.end.Generation {
			// The store cannot return it again. Is a subscriber still at it?
			if needed == 0 {
				needed = f.oldestNeeded(newest.seq)
			}
			if oldest.seq >= needed {
				return
			}
		}
		f.size -= oldest.size
		f.chunks[0] = nil
		f.chunks = f.chunks[1:]
		oldest.trimmed.Store(true)
		oldest.next.Store(nil)
	}
}

func (f *Feed) oldestNeeded(newest uint64) uint64 {
	needed := newest
	for s := range f.subs {
		if at := s.at.Load(); at != notLive {
			needed = min(needed, at)
		}
	}
	return needed
}

// join puts the subscription at the place in the memory log where a reading of the
// store at this position continues. It returns false if there is none.
func (f *Feed) join(s *Subscription, pos store.Pos) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.chunks) - 1; i >= 0; i-- {
		if at := f.chunks[i].index(pos); at >= 0 {
			s.follow(f.chunks[i], at)
			return true
		}
		if f.chunks[i].start.Before(pos) {
			break
		}
	}
	return false
}

// joinTail puts the subscription at the end of the memory log.
func (f *Feed) joinTail(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tail := f.chunks[len(f.chunks)-1]
	s.follow(tail, len(tail.records))
	s.cursor = tail.cursor
}

// Subscribe begins a subscription: no event that the request asks for is missed once it
// has returned. The error is an *events.CursorError for an unknown cursor, an
// *events.ExpiredError if the cursor's place is gone, and an *events.UnavailableError
// if the store cannot be read.
func (f *Feed) Subscribe(ctx context.Context, r Request) (*Subscription, error) {
	if f.isClosed() {
		return nil, ErrClosed
	}
	if r.Past == nil {
		r.Past = Unbounded
	}
	s := &Subscription{f: f, request: r, all: r.Query.ChoosesUsersOnly(), changes: r.Query.Filters.Changes()}
	s.at.Store(notLive)
	f.add(s)
	started := false
	defer func() {
		if !started { // it failed, or the store panicked
			s.Close()
		}
	}()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	started = true
	return s, nil
}

// add adds a subscription. From the first one on, the store has to report new events at
// once.
func (f *Feed) add(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs[s] = struct{}{}
	if len(f.subs) == 1 {
		f.st.Attend(true)
	}
	f.noteChange(s)
}

func (f *Feed) remove(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.subs[s]; !there {
		return
	}
	delete(f.subs, s)
	if len(f.subs) == 0 && f.observer == nil {
		f.st.Attend(false)
	}
	f.noteChange(s)
}

func (f *Feed) noteChange(s *Subscription) {
	if f.changed != nil && !s.request.Unlisted {
		f.changed()
	}
}
