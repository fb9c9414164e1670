package fleet

import (
	"context"
	"sync"
	"time"
)

// gathering is lines that were received and are not in the log yet. One goroutine adds
// to it while another writes, so that each write contains everything that arrived
// during the previous one.
type gathering struct {
	ready chan struct{} // of capacity 1: there is something to write
	room  chan struct{} // of capacity 1: there is room again

	writing sync.Mutex
	broken  error // error of the last write: what follows must not be written; guarded by writing

	mu    sync.Mutex
	at    start // where the next message is expected; guarded by mu, like the rest
	lines []byte
	spare []byte // taken last, to be reused
	done  Counts
	err   error // why no more follow
}

// keptGathered bounds the memory that is reused, in bytes.
const keptGathered = 4 * mostAppended

func newGathering(at start) *gathering {
	return &gathering{at: at, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// add lets a function append lines, and waits for room if many are not written yet.
// last: the source has no more now.
func (g *gathering) add(ctx context.Context, add func(lines []byte, at *start, done *Counts) ([]byte, error)) (last bool, err error) {
	g.mu.Lock()
	g.lines, err = add(g.lines, &g.at, &g.done)
	last = g.done.Behind == 0
	full := len(g.lines) >= mostAppended
	g.mu.Unlock()
	if err != nil || last {
		return last, err
	}
	signal(g.ready)
	if !full {
		return false, nil
	}
	select {
	case <-g.room:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// fail records that no more follow.
func (g *gathering) fail(err error) {
	g.mu.Lock()
	g.err = err
	g.mu.Unlock()
	signal(g.ready)
}

// write appends what was added since the last write. The error may be that of fail.
func (g *gathering) write(sink *Sink) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.broken != nil {
		return g.broken
	}
	g.mu.Lock()
	lines, done, failed := g.lines, g.done, g.err
	g.lines, g.spare, g.done = g.spare[:0], lines, Counts{}
	if cap(lines) > keptGathered {
		g.spare = nil
	}
	g.mu.Unlock()
	signal(g.room)
	if g.broken = sink.Append(lines, done); g.broken != nil {
		return g.broken
	}
	return failed
}

// isBefore reports whether the place is not after the end of the stream that was
// created then.
func (g *gathering) isBefore(last uint64, created time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return last+1 >= g.at.seq && created.Equal(g.at.created)
}

// signal fills a channel of capacity 1.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
