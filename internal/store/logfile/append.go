package logfile

import (
	"context"
	"sync"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// errClosed is returned for events that are written to a store that is closed.
var errClosed = errors.New("cannot write event: the store is closed")

// appendJob is what one caller of Append wants written.
type appendJob struct {
	*encoded
	cursors []string
	err     error
	done    chan struct{}
}

// encoded are events as they go into the log, and what is known of each of them
// without reading it again.
type encoded struct {
	lines  []byte
	hashes []uint64
	times  []int64
	fields []line.Fields
	known  []bool // the fields are
}

// encodings are kept for the next callers, but for those that have grown long.
var encodings = sync.Pool{New: func() any { return new(encoded) }}

const maxKeptLines = 256 << 10 // bytes

func (e *encoded) release() {
	if cap(e.lines) <= maxKeptLines {
		e.lines, e.hashes, e.times, e.fields, e.known = e.lines[:0], e.hashes[:0], e.times[:0], e.fields[:0], e.known[:0]
		encodings.Put(e)
	}
}

// add adds an event, unless it has no line. The error is an *events.FieldError.
func (e *encoded) add(event *events.Event) error {
	start, n := len(e.lines), len(e.fields)
	e.fields = append(e.fields, line.Fields{})
	lines, known, err := line.Append(e.lines, event, &e.fields[n])
	if err == nil && len(lines)-start > line.MaxLine {
		err = &events.FieldError{Field: "event", Reason: "it is too long"}
	}
	if err != nil {
		e.fields = e.fields[:n]
		return err
	}
	e.hashes = append(e.hashes, hashLine(lines[start:]))
	e.times = append(e.times, events.UnixNano(event.Time))
	e.known = append(e.known, known)
	e.lines = append(lines, '\n')
	return nil
}

// Append writes events to the log, under Podman's lock, whole lines in one
// write, all that have a line or none of them; when that outlives a power failure
// is Options.Sync. They are not written if the context ends before they are
// written, which it can while another process holds the lock; the errors then
// wrap that of the context.
func (s *Store) Append(ctx context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	job := &appendJob{encoded: encodings.Get().(*encoded), cursors: make([]string, 0, len(batch)), done: make(chan struct{})}
	for i := range batch {
		results[i].Err = job.add(&batch[i])
	}
	if len(job.hashes) == 0 {
		job.release()
		return results
	}
	err := s.perform(ctx, job)
	next := 0
	for i := range results {
		switch r := &results[i]; {
		case r.Err != nil:
		case err != nil:
			r.Err = err
		default:
			r.Cursor = job.cursors[next]
			next++
		}
	}
	return results
}

// perform has a job written.
func (s *Store) perform(ctx context.Context, job *appendJob) error {
	if s.appends.enqueue(job) {
		s.lead(job)
	}
	select {
	case <-job.done:
	case <-ctx.Done():
		if s.appends.withdraw(job) {
			return errors.WithMessage(ctx.Err(), "cannot write event")
		}
		<-job.done
	}
	job.release() // no other goroutine has the job any more
	return job.err
}
