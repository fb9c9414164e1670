package logfile

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// The modes of what is created: those of Podman 5, which reads and writes as
// the same user only.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// errClosed is returned for events that are written to a store that is closed.
var errClosed = errors.New("cannot write event: the store is closed")

// appendJob is what one caller of Append wants written.
type appendJob struct {
	ctx     context.Context
	lines   []byte
	hashes  []uint64
	times   []int64
	cursors []string
	err     error
	done    chan struct{}
}

// appendQueue joins the writes of callers who come at the same time: the first
// of them writes for all.
type appendQueue struct {
	mu      sync.Mutex
	waiting []*appendJob
	leading bool
	leader  sync.WaitGroup // who writes for all
	closed  bool
	file    *os.File // kept open for appending
	id      fileID
	// modified is when the file was last written to in front of wrote, which is
	// the last of what was written here.
	modified time.Time
	wrote    written
}

// Append writes events to the log, under Podman's lock, whole lines in one
// write, and returns their cursors.
func (s *Store) Append(ctx context.Context, batch []events.Event) ([]string, error) {
	const usual = 512 // bytes of a line
	job := &appendJob{
		ctx: ctx, done: make(chan struct{}),
		lines: make([]byte, 0, usual*len(batch)), times: make([]int64, 0, len(batch)), hashes: make([]uint64, 0, len(batch)),
		cursors: make([]string, 0, len(batch)),
	}
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
	s.enqueue(job)
	<-job.done
	return job.cursors, job.err
}

// enqueue adds a job, and works the queue off if nobody does.
func (s *Store) enqueue(job *appendJob) {
	q := &s.appends
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		job.err = errClosed
		close(job.done)
		return
	}
	q.waiting = append(q.waiting, job)
	if q.leading {
		q.mu.Unlock()
		return
	}
	q.leading = true
	q.leader.Add(1)
	defer q.leader.Done()
	for len(q.waiting) > 0 {
		jobs := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		s.write(jobs)
		for _, j := range jobs {
			close(j.done)
		}
		q.mu.Lock()
	}
	q.leading = false
	q.mu.Unlock()
}

// close refuses further jobs, and returns when those before are written.
func (q *appendQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.leader.Wait()
	if q.file != nil {
		_ = q.file.Close()
		q.file = nil
	}
}

// write writes the jobs in one go.
func (s *Store) write(jobs []*appendJob) {
	fail := func(err error) {
		for _, j := range jobs {
			j.err = &events.UnavailableError{Backend: events.LogFile, Reason: err.Error()}
		}
	}
	if err := s.prepareDir(); err != nil {
		fail(err)
		return
	}
	if err := s.lock.lock(context.WithoutCancel(jobs[0].ctx)); err != nil {
		fail(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.writeLocked(jobs)
	s.lock.unlock()
	if err != nil {
		fail(err)
		return
	}
	// Let everybody see the events, and learn their cursors on the way.
	sink := s.sink
	if sink != nil {
		c := collector{sink: sink, jobs: jobs}
		s.sink = c.take
		if s.tellWritten(s.appends.wrote) {
			s.setFault(nil)
		} else if err := s.lookLocked(); err != nil {
			s.log.Warn("cannot read back what was written", "path", s.path, "error", err)
		}
		s.sink = sink
	}
	for _, j := range jobs {
		s.written += uint64(len(j.hashes))
		j.nameUnseen()
	}
}

// nameUnseen makes the cursors of events that were written but could not be
// read back: those of events that have no equal.
func (j *appendJob) nameUnseen() {
	for i := len(j.cursors); i < len(j.hashes); i++ {
		id := identity{time: j.times[i], hash: j.hashes[i]}
		j.cursors = append(j.cursors, string(appendEventCursor(nil, id, 0)))
	}
}

// prepareDir makes the directory of the log if it is missing, as Podman does.
func (s *Store) prepareDir() error {
	dir := filepath.Dir(s.path)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return errors.Wrap(os.MkdirAll(dir, dirMode), "cannot create the directory of the log")
}

// writeLocked writes the lines of the jobs at the end of the log. It is called
// with the lock of the log held, so that nobody rotates it meanwhile.
func (s *Store) writeLocked(jobs []*appendJob) error {
	total := 0
	for _, j := range jobs {
		total += len(j.lines)
	}
	size, err := s.openForAppend()
	if err != nil {
		return err
	}
	if s.maxSeg > 0 && size > 0 && size+int64(total) > s.maxSeg {
		if err := s.setAside(); err != nil {
			return err
		}
		if size, err = s.openForAppend(); err != nil {
			return err
		}
	}
	out := make([]byte, 0, total+1)
	if torn, err := s.isTorn(size); err != nil {
		return err
	} else if torn {
		out = append(out, '\n') // the fragment gets a line of its own
	}
	for _, j := range jobs {
		out = append(out, j.lines...)
	}
	s.appends.wrote = written{file: s.appends.id, off: size, before: s.appends.modified, data: out}
	return s.writeWhole(out, size)
}

// openForAppend opens the log that is at the path now, and returns its size.
func (s *Store) openForAppend() (int64, error) {
	q := &s.appends
	id, stat, err := identify(unix.AT_FDCWD, s.path)
	if err == nil && q.file != nil && id == q.id {
		q.modified = modified(&stat)
		return int64(stat.Size), nil
	}
	if q.file != nil {
		_ = q.file.Close()
		q.file = nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOCTTY, fileMode)
	if err != nil {
		return 0, errors.Wrap(err, "cannot open the log for writing")
	}
	if id, stat, err = identify(int(f.Fd()), ""); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNoFile
	}
	if err != nil {
		_ = f.Close()
		return 0, errors.Wrapf(err, "cannot open the log %s for writing", s.path)
	}
	q.file, q.id, q.modified = f, id, modified(&stat)
	return int64(stat.Size), nil
}

// isTorn tells whether the last line of the log was left unfinished.
func (s *Store) isTorn(size int64) (bool, error) {
	if size == 0 || s.knowsEnd(s.appends.id, size, s.appends.modified) {
		return false, nil
	}
	var last [1]byte
	if _, err := s.appends.file.ReadAt(last[:], size-1); err != nil {
		return false, errors.Wrap(err, "cannot read the end of the log")
	}
	return last[0] != '\n', nil
}

// writeWhole writes all or nothing: what a full disk lets through of a write is
// taken back.
func (s *Store) writeWhole(out []byte, size int64) error {
	n, err := s.appends.file.Write(out)
	if err == nil {
		return nil
	}
	if n > 0 {
		if cutErr := s.appends.file.Truncate(size); cutErr != nil {
			s.log.Error("cannot take back a line that was written in part", "path", s.path, "error", cutErr)
		}
	}
	return errors.Wrap(err, "cannot write to the log; make room on its file system")
}

// collector hands emissions on and picks the cursors of what was just written.
type collector struct {
	sink store.Sink
	jobs []*appendJob
}

func (c *collector) take(e store.Emission) {
	for i := range e.Records {
		rec := &e.Records[i]
		for len(c.jobs) > 0 && len(c.jobs[0].cursors) == len(c.jobs[0].hashes) {
			c.jobs = c.jobs[1:]
		}
		if len(c.jobs) == 0 {
			break
		}
		if j := c.jobs[0]; hashLine(rec.Line) == j.hashes[len(j.cursors)] {
			j.cursors = append(j.cursors, string(rec.Cursor))
		}
	}
	c.sink(e)
}
