package fleet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/sleep"
)

// Source is a source of lines for a collector.
type Source interface {
	// Collect appends lines to the log, each with its origin and with what the source
	// needs to resume, until something fails. It is then called again, and resumes from
	// what is in the log.
	Collect(ctx context.Context, sink *Sink) error
}

// Sink is the log of a collector, for one source.
type Sink struct {
	collector *Collector
	ended     bool // guarded by the collector's mu
}

// errEnded is returned to a part of a source that is still running after the end of its
// round.
var errEnded = errors.New("cannot write to the log: the round has ended")

// Collector collects lines from sources into a log. Its sources may use it
// concurrently.
type Collector struct {
	log *slog.Logger

	mu     sync.Mutex
	file   *Log // guarded by mu
	counts Counts
	faults map[*Sink]string
}

// Counts are what a collector has done since it started.
type Counts struct {
	Events  uint64 // written to the log
	Gaps    uint64 // reported in the log
	Proofs  uint64 // how often the position in a stream was proved
	Refused uint64 // messages and lines that are not events
	// Lag is the age of the newest event when it was written, at Time; Behind is how
	// many messages the source then held that were not collected yet.
	Lag    time.Duration
	Time   time.Time
	Behind uint64
	// Fault is why a source cannot be collected now; "": it can.
	Fault string
}

// Late returns the age of the last collected event if there is more to collect, or if
// that is unknown; otherwise 0.
func (n *Counts) Late(now time.Time) time.Duration {
	if n.Behind == 0 && n.Fault == "" {
		return 0
	}
	return max(0, now.Sub(n.Time)+n.Lag)
}

// NewCollector returns a collector into the log.
func NewCollector(file *Log, log *slog.Logger) *Collector {
	return &Collector{file: file, log: log, counts: Counts{Time: time.Now()}, faults: map[*Sink]string{}}
}

// Counts returns the counts so far.
func (c *Collector) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts
	for _, fault := range c.faults {
		n.Fault = max(n.Fault, fault)
	}
	return n
}

// Run collects from all sources until the context ends, and then returns nil.
func (c *Collector) Run(ctx context.Context, sources ...Source) error {
	var running sync.WaitGroup
	for _, source := range sources {
		running.Go(func() { c.collect(ctx, source) })
	}
	running.Wait()
	return nil
}

func (c *Collector) collect(ctx context.Context, source Source) {
	pause := firstPause
	logged := ""
	var last error
	for {
		before := c.Counts().Events
		sink := &Sink{collector: c}
		if last != nil {
			sink.Fault(last)
		}
		err := source.Collect(ctx, sink)
		sink.end()
		last = err
		if ctx.Err() != nil {
			return
		}
		after := c.Counts().Events
		if err != nil && (err.Error() != logged || after > before) {
			logged = err.Error()
			c.log.Warn("collecting was interrupted; continuing from the end of the log", "error", err)
		}
		if after > before {
			pause = firstPause
		}
		if !sleep.For(ctx, pause/2+rand.N(pause/2)) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// Append writes whole lines.
func (s *Sink) Append(lines []byte, done Counts) error {
	c := s.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ended {
		return errEnded
	}
	if len(lines) > 0 {
		if err := c.file.Append(lines); err != nil {
			return err
		}
	}
	c.counts.Events += done.Events
	c.counts.Gaps += done.Gaps
	c.counts.Proofs += done.Proofs
	c.counts.Refused += done.Refused
	if done.Events > 0 {
		c.counts.Lag, c.counts.Time, c.counts.Behind = max(0, done.Lag), time.Now(), done.Behind
		delete(c.faults, s)
	}
	return nil
}

// Fault records why the source cannot be collected; nil: it can.
func (s *Sink) Fault(err error) {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	if err != nil && !s.ended {
		s.collector.faults[s] = err.Error()
		return
	}
	delete(s.collector.faults, s)
}

// end ends the round of the sink.
func (s *Sink) end() {
	s.Fault(nil)
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	s.ended = true
}

// Tail calls see with the lines of the log, newest first.
func (s *Sink) Tail(most int64, see func(line []byte) bool) error {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	return s.collector.file.Tail(most, see)
}

// KeepBy registers a function whose results are stored beside the log, from time to
// time, for Kept. They must not refer to lines that are not in the log.
func (s *Sink) KeepBy(keep func() ([]byte, error)) {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	s.collector.file.keep = keep
}

// Kept returns what was last stored, nil if there is nothing.
func (s *Sink) Kept() ([]byte, error) {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	return s.collector.file.Kept()
}

// errAgain ends a round so that the position is proved again.
var errAgain = errors.New("the connection was made again")
