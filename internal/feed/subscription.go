package feed

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Request is what a subscriber asks for.
type Request struct {
	// Query selects the events.
	Query store.Query
	// History begins with what the store already holds: the events after the cursor
	// After, or all if After is empty. Without it the subscription begins with the next
	// new event.
	History bool
	After   string
	// Until ends the subscription once that time has passed; zero: never.
	Until time.Time
	// Format is the format of the frames.
	Format *Format
	// Unlisted excludes the subscription from the number of subscribers, since it is
	// the service's own, such as a broadcast.
	Unlisted bool
	// Past is the subscriber's share of what its user's readings may use; nil:
	// Unbounded.
	Past Past
	// Interface is the interface that sends the events, for statistics.
	Interface string
}

// Delivery is what a subscription returns at a time. It is valid until the next call of
// Next.
type Delivery struct {
	// Frames are the frames of the events, ready to be written. They are shared and
	// must not be changed; net.Buffers consumes the slice, not the bytes.
	Frames net.Buffers
	// Records are the records of the same events: those of each of the Frames.
	Records [][]store.Record
	// Live is set once: every past event has been delivered, and what follows is new. A
	// delivery with Live has no frames.
	Live bool
}

// The bounds of one delivery. They keep one write from delaying the other subscriptions
// of a connection, and a filter that matches nothing from delaying a subscriber's
// timers.
const (
	maxDeliveryBytes   = 256 << 10
	maxDeliveryBuffers = 512
	maxLook            = 1 << 16 // records examined
	maxDeliveryHeld    = 1 << 20 // of chunks kept in memory until it is written
)

// notLive is the place of a subscription that reads from the store.
const notLive = ^uint64(0)

// Subscription is one subscriber's position in the feed. It is not safe for concurrent
// use.
type Subscription struct {
	f        *Feed
	request  Request
	all      bool            // every record of a user whose events are wanted matches
	changes  *filter.Changes // for health=changed, nil: not used
	delivery Delivery
	cursor   string
	live     bool // Live was delivered
	ended    bool // Until has passed, and everything written before has been delivered

	// While it reads from the store.
	reading store.Reading
	batch   store.Batch
	buf     []byte

	// While it follows the memory log, or chunks that are read again.
	chunk *chunk
	index int           // of the next record in chunk
	at    atomic.Uint64 // seq of chunk, or notLive; for Feed.trim
	held  store.Reading // what has the store hold the place, nil: not used
}

// start finds the place where the subscription begins.
func (s *Subscription) start(ctx context.Context) error {
	if !s.request.History {
		if err := s.f.st.Look(); err != nil {
			return err
		}
		s.f.joinTail(s)
		s.live = true
		return nil
	}
	if err := s.request.Past.Enter(ctx); err != nil {
		return err
	}
	reading, err := s.f.read(ctx, store.Start{After: s.request.After}, s.request.Query, s.changes)
	if err != nil {
		return err // the other results are not ours to close
	}
	s.reading = reading
	s.cursor, err = reading.Cursor()
	return err
}

// follow continues in the memory log. It is called with the feed's mutex held, so that
// the next chunks are not dropped meanwhile.
func (s *Subscription) follow(c *chunk, index int) {
	s.chunk, s.index = c, index
	s.at.Store(c.seq)
}

// leavePast releases what reading from the store needed.
func (s *Subscription) leavePast() {
	if s.reading != nil {
		s.reading.Close()
	}
	if s.held != nil {
		s.held.Close()
	}
	s.reading, s.batch, s.buf, s.held = nil, store.Batch{}, nil, nil
	s.request.Past.Leave()
}

// Next waits for something to deliver. The error is io.EOF when Until has passed, an
// *events.ExpiredError when the store no longer holds what follows, ErrClosed when the
// feed is closed, the context's error, or the store's. Next may be called again only
// after the context's.
func (s *Subscription) Next(ctx context.Context) (*Delivery, error) {
	s.delivery.Frames, s.delivery.Records, s.delivery.Live = s.delivery.Frames[:0], s.delivery.Records[:0], false
	for {
		if s.f.isClosed() {
			return nil, ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var ready bool
		var err error
		if s.reading != nil {
			ready, err = s.readPast(ctx)
		} else {
			ready, err = s.takeNew(ctx)
		}
		if err != nil {
			return nil, err
		}
		if ready {
			return &s.delivery, nil
		}
	}
}

// readPast delivers from the store, until it reaches the place where the memory log
// begins.
func (s *Subscription) readPast(ctx context.Context) (ready bool, err error) {
	if s.f.join(s, s.reading.Pos()) {
		s.cursor, err = s.reading.Cursor()
		s.leavePast()
		return false, err
	}
	if s.size() > limits.PastBatch {
		s.batch, s.buf = store.Batch{}, nil
	}
	if err := s.request.Past.Begin(ctx, s.size()); err != nil {
		return false, err
	}
	err = s.reading.Next(ctx, &s.batch)
	s.request.Past.Hold(s.size())
	if errors.Is(err, io.EOF) {
		// The feed has to see what the reading has seen, before they can join.
		return false, s.f.st.Look()
	}
	if err != nil {
		if ctx.Err() != nil { // nothing has matched so far
			s.cursor, _ = s.reading.Cursor()
		}
		return false, err
	}
	s.buf = s.buf[:0]
	for i := range s.batch.Records {
		s.buf = s.request.Format.encode(s.buf, &s.batch.Records[i])
	}
	s.request.Past.Hold(s.size())
	s.delivery.Frames = append(s.delivery.Frames, s.buf)
	s.delivery.Records = append(s.delivery.Records, s.batch.Records)
	s.cursor = string(s.batch.Records[len(s.batch.Records)-1].Cursor)
	return true, nil
}

// size returns how many bytes of the past it holds.
func (s *Subscription) size() int { return s.batch.Size() + cap(s.buf) }

// takeNew delivers from the memory log, and waits if there is nothing new.
func (s *Subscription) takeNew(ctx context.Context) (ready bool, err error) {
	if !s.live && s.atTail() {
		if s.past() {
			return false, io.EOF
		}
		s.live, s.delivery.Live = true, true
		return true, nil
	}
	matched, err := s.gather()
	if matched || err != nil {
		return matched, err
	}
	if s.chunk.next.Load() != nil {
		return false, nil
	}
	if s.chunk.trimmed.Load() {
		if s.all && s.request.Past == Unbounded {
			return false, s.replay(ctx)
		}
		return false, s.fallBehind(ctx)
	}
	if !s.live {
		return false, nil
	}
	return false, s.wait(ctx)
}

// atTail reports whether everything in the memory log has been delivered.
func (s *Subscription) atTail() bool {
	return s.index == len(s.chunk.records) && s.chunk.next.Load() == nil && !s.chunk.trimmed.Load()
}

// past reports whether Until has passed, and everything written before has reached the
// feed.
func (s *Subscription) past() bool {
	if s.request.Until.IsZero() || s.f.now().Before(s.request.Until) {
		return false
	}
	if s.ended {
		return s.atTail()
	}
	s.ended = true
	_ = s.f.st.Look()
	return s.atTail()
}

// gather collects the frames of matching records from the memory log.
func (s *Subscription) gather() (matched bool, err error) {
	d, size, looked := &s.delivery, 0, 0
	held, last := 0, (*chunk)(nil)
	for size < maxDeliveryBytes && len(d.Frames) < maxDeliveryBuffers && looked < maxLook && held < maxDeliveryHeld {
		c := s.chunk
		if s.index == len(c.records) {
			next := c.next.Load()
			if next == nil || next.lost && len(d.Frames) > 0 {
				break
			}
			s.chunk, s.index = next, 0
			s.at.Store(next.seq)
			if next.lost {
				return false, s.expired()
			}
			s.cursor = next.cursor
			continue
		}
		from, to := s.match(c)
		looked += to - s.index
		s.index = to
		if from < to {
			part := c.in(s.request.Format).part(from, to)
			d.Frames = append(d.Frames, part)
			d.Records = append(d.Records, c.records[from:to])
			size += len(part)
			if c != last {
				held, last = held+c.size, c
			}
		}
	}
	if len(d.Frames) == 0 {
		if s.index > 0 {
			s.cursorAt()
		}
		return false, nil
	}
	s.cursorAt()
	return true, nil
}

// cursorAt sets the cursor to the current place.
func (s *Subscription) cursorAt() {
	switch {
	case s.index == len(s.chunk.records):
		s.cursor = s.chunk.cursor
	case s.index > 0:
		s.cursor = string(s.chunk.records[s.index-1].Cursor)
	}
}

// match returns the next run of records that match the query, or an empty one whose end
// is where to continue.
func (s *Subscription) match(c *chunk) (from, to int) {
	const maxRun = 1024
	switch q := &s.request.Query; {
	case c.users.same && !q.HasUser(c.users.uid):
		return len(c.records), len(c.records)
	case s.all && (c.users.same || q.UID == store.AnyUID):
		return s.index, min(len(c.records), s.index+maxRun)
	}
	from = s.index
	for from < len(c.records) && !s.wants(&c.records[from]) {
		from++
	}
	to = from
	for to < len(c.records) && to-from < maxRun && (to == from || s.wants(&c.records[to])) {
		to++
	}
	return from, to
}

// wants reports whether the record is to be delivered.
func (s *Subscription) wants(r *store.Record) bool {
	return s.request.Query.Match(r) && (s.changes == nil || matchChanges(s.changes, r))
}

// fallBehind continues from the store: what follows is no longer in the memory log.
func (s *Subscription) fallBehind(ctx context.Context) error {
	if err := s.request.Past.Enter(ctx); err != nil {
		return err
	}
	reading, err := s.f.readFrom(ctx, s.chunk, s.request.Query, s.changes)
	if err != nil {
		s.request.Past.Leave()
		return err
	}
	s.reading, s.chunk = reading, nil
	s.at.Store(notLive)
	if s.f.observer != nil {
		s.f.observer.FellBehind()
	}
	return nil
}

// expired returns the error for a subscriber whose next events may have been lost.
func (s *Subscription) expired() error {
	reading, err := s.f.st.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		return err
	}
	defer reading.Close()
	oldest, err := reading.Cursor()
	if err != nil {
		return err
	}
	return &events.ExpiredError{Oldest: oldest}
}

// clockCheck is how often a subscription with Until checks the clock, which may be set
// meanwhile: timers do not notice that.
const clockCheck = 10 * time.Second

// wait returns when there is a next chunk, or when the subscription has to end. It does
// not wait for the end of the feed, which closes more as well: all subscribers would
// contend for a second channel.
func (s *Subscription) wait(ctx context.Context) error {
	var until <-chan time.Time
	if !s.request.Until.IsZero() {
		if s.past() {
			return io.EOF
		}
		timer := time.NewTimer(min(s.request.Until.Sub(s.f.now()), clockCheck))
		defer timer.Stop()
		until = timer.C
	}
	select {
	case <-s.chunk.more:
	case <-until:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Cursor returns the cursor of the current position, which may be after events that did
// not match.
func (s *Subscription) Cursor() string { return s.cursor }

// Close ends the subscription.
func (s *Subscription) Close() {
	s.leavePast()
	s.f.remove(s)
}
