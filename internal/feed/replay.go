package feed

import (
	"context"
	"errors"
	"io"
	"sync"
	"weak"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
)

// replays are chunks that were read from the store again, for subscribers that have
// fallen behind the memory log. Those that are at the same place share a chunk, and so
// its frames. Only the subscribers that are at a chunk keep it in memory.
type replays struct {
	mu      sync.Mutex
	chunks  []weak.Pointer[chunk]
	reading map[store.Pos]chan struct{} // where a chunk begins that is being read; closed afterwards
}

// find returns the chunk with the records after a position. If there is none, it
// returns what to wait for while another subscriber reads it; nil: the caller has to
// read it, and then to call add.
func (r *replays) find(pos store.Pos) (*chunk, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.chunks) - 1; i >= 0; i-- {
		c := r.chunks[i].Value()
		if c == nil {
			continue
		}
		if at := c.index(pos); at >= 0 && at < len(c.records) {
			return c, nil
		}
	}
	if wait := r.reading[pos]; wait != nil {
		return nil, wait
	}
	if r.reading == nil {
		r.reading = make(map[store.Pos]chan struct{})
	}
	r.reading[pos] = make(chan struct{})
	return nil, nil
}

// add ends the reading at a position with its result, nil if it failed.
func (r *replays) add(pos store.Pos, c *chunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.reading[pos])
	delete(r.reading, pos)
	kept := r.chunks[:0]
	for _, p := range r.chunks {
		if p.Value() != nil {
			kept = append(kept, p)
		}
	}
	r.chunks = kept
	if c != nil {
		r.chunks = append(r.chunks, weak.Make(c))
	}
}

// replay continues after a chunk whose successor is no longer in the memory log: in the
// memory log if it has that place, otherwise with the next chunk of the store.
func (s *Subscription) replay(ctx context.Context) error {
	pos := s.chunk.end
	if s.f.join(s, pos) {
		s.leavePast()
		return nil
	}
	if err := s.hold(ctx); err != nil {
		return err
	}
	c, wait := s.f.replays.find(pos)
	switch {
	case c != nil:
		s.follow(c, c.index(pos))
		return nil
	case wait != nil:
		select {
		case <-wait: // the next call finds the chunk
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-s.f.closed:
			return ErrClosed
		}
	}
	var err error
	defer func() { s.f.replays.add(pos, c) }() // also if the store panicked
	if c, err = s.f.readAgain(ctx, s.chunk); err == nil {
		s.follow(c, 0)
	}
	return err
}

// hold has the store keep the file that is read again, and those after it, as it does
// for every reading.
func (s *Subscription) hold(ctx context.Context) error {
	if s.held != nil && s.held.Pos().Generation >= s.chunk.end.Generation {
		return nil
	}
	reading, err := s.f.readFrom(ctx, s.chunk, s.request.Query, nil)
	if err != nil {
		return err
	}
	if s.held != nil {
		s.held.Close()
	} else if s.f.observer != nil {
		s.f.observer.FellBehind()
	}
	s.held = reading
	return nil
}

// readAgain reads the chunk after another from the store. Without records it is a place
// that the memory log has.
func (f *Feed) readAgain(ctx context.Context, after *chunk) (*chunk, error) {
	reading, err := f.readFrom(ctx, after, store.Everything(), nil)
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	var b store.Batch
	err = reading.Next(ctx, &b)
	if errors.Is(err, io.EOF) {
		err = f.st.Look() // the feed has to see what the reading has seen
	}
	if err != nil {
		return nil, err
	}
	c := &chunk{
		seq: notLive, start: after.end, end: reading.Pos(), cursor: after.cursor, records: b.Records,
		users: usersOf(b.Records), frames: make([]frames, f.formats),
	}
	if n := len(b.Records); n > 0 {
		c.cursor = string(b.Records[n-1].Cursor)
	}
	c.size = c.estimate()
	c.trimmed.Store(true)
	return c, nil
}

// readFrom begins a reading of the store after a chunk.
func (f *Feed) readFrom(ctx context.Context, c *chunk, query store.Query, changes *filter.Changes) (store.Reading, error) {
	reading, err := f.read(ctx, store.Start{Pos: c.end, HasPos: true}, query, changes)
	var expired *events.ExpiredError
	if errors.As(err, &expired) {
		// The file is gone, but a successor may contain what followed.
		reading, err = f.read(ctx, store.Start{After: c.cursor}, query, changes)
	}
	return reading, err
}
