package logfile

import (
	"context"
	"os"
	"path/filepath"
	"slices"
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
	lines   []byte
	hashes  []uint64
	times   []int64
	cursors []string
	err     error
	done    chan struct{}
}

// appendQueue joins the writes of callers who come at the same time: one of
// them, the leader, writes for all.
type appendQueue struct {
	mu      sync.Mutex
	waiting []*appendJob
	giveUp  context.CancelFunc // ends a wait for the lock when nobody waits any more, nil if there is none
	leading bool
	leader  sync.WaitGroup // who writes for all
	closed  bool

	// Of the leader.
	file *os.File // kept open for appending
	id   fileID
	// modified is when the file was last written to in front of wrote, which is
	// the last of what was written here.
	modified time.Time
	wrote    written
}

// Append writes events to the log, under Podman's lock, whole lines in one
// write, and returns their cursors; when that outlives a power failure is
// Options.Sync. An event is not written if the context ends before it is
// written, which it can while another process holds the lock; the error then
// wraps that of the context.
func (s *Store) Append(ctx context.Context, batch []events.Event) ([]string, error) {
	const usual = 512 // bytes of a line
	job := &appendJob{
		done:  make(chan struct{}),
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
	return job.cursors, job.err
}

// enqueue adds a job. leads is true if nobody works the queue off: then the
// caller has to.
func (q *appendQueue) enqueue(job *appendJob) (leads bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		job.err = errClosed
		close(job.done)
		return false
	}
	q.waiting = append(q.waiting, job)
	if q.leading {
		return false
	}
	q.leading = true
	q.leader.Add(1)
	return true
}

// withdraw takes a job back. It returns false if it is being written, or was.
func (q *appendQueue) withdraw(job *appendJob) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, job)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	if len(q.waiting) == 0 && q.giveUp != nil {
		q.giveUp()
	}
	return true
}

// take takes the jobs that wait, or those of them that are among some.
func (q *appendQueue) take(among []*appendJob) (jobs []*appendJob) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if among == nil {
		jobs, q.waiting = q.waiting, nil
		return jobs
	}
	var others []*appendJob
	for _, j := range q.waiting {
		if slices.Contains(among, j) {
			jobs = append(jobs, j)
		} else {
			others = append(others, j)
		}
	}
	q.waiting = others
	return jobs
}

// goesOn tells the leader whether there is more to do. If not, it leads no
// longer.
func (q *appendQueue) goesOn() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return true
	}
	q.leading = false
	q.leader.Done()
	return false
}

// lead works the queue off. A caller of Append does so as long as its own job
// is in it and nobody has to be waited for, a goroutine the rest.
func (s *Store) lead(own *appendJob) {
	q := &s.appends
	for q.goesOn() {
		if own != nil && own.isDone() {
			go s.lead(nil)
			return
		}
		var among []*appendJob
		err := errors.Wrap(s.disk.mkdir(filepath.Dir(s.path)), "cannot create the directory of the log")
		if err == nil {
			var locked bool
			if locked, err = s.lock.tryOnce(); !locked && err == nil {
				if own != nil {
					go s.lead(nil)
					return
				}
				among, err = s.awaitLock()
			}
		}
		var jobs []*appendJob
		if err != nil {
			jobs = q.take(among)
			s.fail(jobs, err)
		} else {
			jobs = q.take(nil)
			s.write(jobs)
		}
		for _, j := range jobs {
			close(j.done)
		}
	}
}

func (j *appendJob) isDone() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// awaitLock waits for the lock as long as somebody waits for it, and returns
// for whom it did from the beginning.
func (s *Store) awaitLock() (since []*appendJob, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := &s.appends
	q.mu.Lock()
	q.giveUp = cancel
	since = slices.Clone(q.waiting)
	if len(since) == 0 || q.closed {
		cancel()
	}
	q.mu.Unlock()
	err = s.lock.lock(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveUp = nil
	if err != nil && q.closed {
		err = errClosed
	}
	return since, err
}

// drain refuses further jobs, and those that wait for the lock, and returns when
// the others are written.
func (q *appendQueue) drain() {
	q.mu.Lock()
	q.closed = true
	if q.giveUp != nil {
		q.giveUp()
	}
	q.mu.Unlock()
	q.leader.Wait()
}

// closeAppended closes the file that was appended to, when there is no leader
// any more, and makes durable what is not.
func (s *Store) closeAppended() error {
	q := &s.appends
	err := s.syncNow()
	if q.file == nil {
		return err
	}
	_ = q.file.Close()
	q.file = nil
	return err
}

// fail tells the callers what kept their events from being written.
func (s *Store) fail(jobs []*appendJob, err error) {
	failed := false
	for _, j := range jobs {
		if j.err == nil {
			j.err = &events.UnavailableError{Backend: events.LogFile, Reason: err.Error()}
			failed = true
		}
	}
	if failed {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.lookLocked() // what others wrote before proves nothing
		s.setWriteFault(err)
	}
}

// write writes the jobs in one go, with the lock of the log, which it gives
// back.
func (s *Store) write(jobs []*appendJob) {
	s.mu.Lock()
	stored, err := s.writeLocked(jobs)
	s.lock.unlock()
	if len(stored) > 0 {
		s.collect(stored)
	}
	if err == nil {
		s.setWriteFault(nil)
	}
	s.mu.Unlock()
	if len(stored) > 0 {
		// Nobody waits for the disk but those who were promised that.
		if syncErr := s.syncWritten(); syncErr != nil {
			stored, err = nil, syncErr
		}
	}
	if err != nil {
		s.fail(jobs[len(stored):], err)
	}
}

// collect lets everybody see what was written, and learns the cursors on the
// way.
func (s *Store) collect(jobs []*appendJob) {
	if sink := s.sink; sink != nil {
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

// writeLocked writes the lines of the jobs at the end of the log, and returns
// the jobs whose lines are there: all, or the first of them. It is called with
// the lock of the log held, so that nobody rotates it meanwhile.
func (s *Store) writeLocked(jobs []*appendJob) (stored []*appendJob, err error) {
	total := 0
	for _, j := range jobs {
		total += len(j.lines)
	}
	size, err := s.openForAppend()
	if err != nil {
		return nil, err
	}
	// What was written up to now is read before the file gets another name. If
	// it cannot be now, the file goes on to be the log.
	if s.maxSeg > 0 && size > 0 && size+int64(total) > s.maxSeg && s.lookLocked() == nil {
		if err := s.setAside(); err != nil {
			return nil, err
		}
		if size, err = s.openForAppend(); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, total+1)
	if torn, err := s.isTorn(size); err != nil {
		return nil, err
	} else if torn {
		out = append(out, '\n') // the fragment gets a line of its own
	}
	kept := len(out)
	for _, j := range jobs {
		out = append(out, j.lines...)
	}
	n, err := s.writeWhole(out, size)
	s.appends.note(out, size, err)
	s.ownFile, s.ownEnd = s.appends.id, size+int64(n)
	for i, j := range jobs {
		if kept += len(j.lines); kept > n {
			return jobs[:i], err
		}
	}
	return jobs, err
}

// openForAppend opens the log that is at the path now, and returns its size.
func (s *Store) openForAppend() (int64, error) {
	q := &s.appends
	id, stat, err := s.disk.at(s.path)
	if err == nil && q.file != nil && id == q.id {
		q.modified = modified(&stat)
		return int64(stat.Size), nil
	}
	create := errors.Is(err, os.ErrNotExist)
	if q.file != nil {
		s.syncFormer(q.file)
		q.file = nil
	}
	f, err := s.disk.open(s.path, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT, fileMode)
	if err != nil {
		return 0, errors.Wrap(err, "cannot open the log for writing"+advice(err))
	}
	if id, stat, err = s.disk.of(f); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNoFile
	}
	if err != nil {
		_ = f.Close()
		return 0, errors.Wrapf(err, "cannot open the log %s for writing", s.path)
	}
	if create {
		s.syncNames()
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
	if _, err := s.disk.readAt(s.appends.file, last[:], size-1); err != nil {
		return false, errors.Wrap(err, "cannot read the end of the log")
	}
	return last[0] != '\n', nil
}

// writeWhole writes all or nothing: what a full disk lets through of a write is
// taken back, unless somebody who does not heed the lock has written behind it.
// It returns how much stays.
func (s *Store) writeWhole(out []byte, size int64) (int, error) {
	n, err := s.disk.write(s.appends.file, out)
	if err == nil {
		return n, nil
	}
	err = errors.Wrap(err, "cannot write to the log"+advice(err))
	if n == 0 {
		return 0, err
	}
	_, stat, cutErr := s.disk.of(s.appends.file)
	if cutErr == nil && int64(stat.Size) == size+int64(n) {
		if cutErr = s.disk.truncate(s.appends.file, size); cutErr == nil {
			return 0, err
		}
	}
	s.log.Error("cannot take back a line that was written in part", "path", s.path, "error", cutErr)
	return n, err
}

// advice says what to do about an error of the file system, where that is known.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room on its file system"
	case errors.Is(err, unix.EROFS):
		return "; mount its file system for writing, or let the unit write to its directory (ReadWritePaths=) and restart it"
	case errors.Is(err, unix.EIO):
		return "; look into the log of the kernel for what fails below it"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "; raise the limit of open files (LimitNOFILE= in the unit)"
	}
	return ""
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
