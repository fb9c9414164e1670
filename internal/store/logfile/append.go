package logfile

import (
	"context"
	"sync"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
)

// errClosed is returned for events that are written to a store that is closed.
var errClosed = errors.New("cannot write event: the store is closed")

// appendJob is what one caller of Append wants written.
type appendJob struct {
	lines   []byte
	hashes  []uint64
	times   []int64
	cursors []string
	err     error
	done    chan struct{}
}

// lineBuffers is memory for lines on their way to the log.
var lineBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxScratch is how long a buffer may be that is kept for others.
const maxScratch = 256 << 10

// Append writes events to the log, under Podman's lock, whole lines in one
// write, and returns their cursors; when that outlives a power failure is
// Options.Sync. An event is not written if the context ends before it is
// written, which it can while another process holds the lock; the error then
// wraps that of the context.
func (s *Store) Append(ctx context.Context, batch []events.Event) ([]string, error) {
	job := &appendJob{
		done:  make(chan struct{}),
		times: make([]int64, 0, len(batch)), hashes: make([]uint64, 0, len(batch)), cursors: make([]string, 0, len(batch)),
	}
	scratch := lineBuffers.Get().(*[]byte)
	job.lines = (*scratch)[:0]
	for i := range batch {
		start := len(job.lines)
		var err error
		if job.lines, err = batch[i].AppendJSON(job.lines); err != nil {
			return nil, errors.WithMessage(err, "cannot write event")
		}
		if len(job.lines)-start > line.MaxLine {
			return nil, &events.FieldError{Field: "event", Reason: "it is too long"}
		}
		job.times = append(job.times, events.UnixNano(batch[i].Time))
		job.hashes = append(job.hashes, hashLine(job.lines[start:]))
		job.lines = append(job.lines, '\n')
	}
	if len(batch) == 0 {
		return nil, nil
	}
	if s.appends.enqueue(job) {
		s.lead(job)
	}
	select {
	case <-job.done:
	case <-ctx.Done():
		if s.appends.withdraw(job) {
			return nil, errors.WithMessage(ctx.Err(), "cannot write event")
		}
		<-job.done
	}
	if cap(job.lines) <= maxScratch {
		*scratch = job.lines
		lineBuffers.Put(scratch)
	}
	return job.cursors, job.err
}
