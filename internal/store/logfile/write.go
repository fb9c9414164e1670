package logfile

import (
	"os"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/store"
)

// The modes of what is created here: those of Podman 5, which reads and writes as the
// same user only.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// writeAll writes the events of several callers at once, with the lock of the log held,
// and releases it.
func (a *appender) writeAll(all []*write) {
	f := a.follower
	f.mu.Lock()
	stored, w, err := a.writeLines(all)
	a.lock.unlock()
	if len(stored) > 0 {
		a.collect(&w, stored)
	}
	f.mu.Unlock()
	if len(stored) > 0 {
		// Only callers that asked for it wait for the disk.
		if syncErr := a.syncs.syncWritten(a.file); syncErr != nil {
			stored, err = nil, syncErr
		}
	}
	a.setFault(err)
	if err != nil {
		for _, w := range all[len(stored):] {
			w.err = unwritable(err)
		}
	}
}

// writeLines writes the lines at the end of the log, and returns the writes that were
// stored: all, or the first of them. It is called with the lock of the log held, so
// that no Podman rotates it meanwhile, and that of the follower.
func (a *appender) writeLines(all []*write) (stored []*write, w written, err error) {
	total := 0
	for _, w := range all {
		total += len(w.lines)
	}
	state, err := a.openForAppend()
	if err != nil {
		return nil, w, err
	}
	// What was written up to now is read before the file is renamed. If it cannot be
	// read now, the file stays the log.
	if a.maxSize > 0 && state.size > 0 && state.size+int64(total) > a.maxSize && a.follower.lookLocked() == nil {
		if err := a.setAside(); err != nil {
			return nil, w, err
		}
		if state, err = a.openForAppend(); err != nil {
			return nil, w, err
		}
	}
	isTorn, err := a.isTorn(&state)
	if err != nil {
		return nil, w, err
	}
	out, of := make([]byte, 0, total+1), known{all: all}
	if isTorn {
		out, of = append(out, '\n'), known{} // the fragment becomes a line of its own
	}
	kept := len(out)
	for _, w := range all {
		out = append(out, w.lines...)
	}
	n, err := a.writeWhole(out, state.size)
	a.follower.ownFile, a.follower.ownEnd = a.id, state.size+int64(n)
	w = written{file: a.id, off: state.size, before: state.modified, of: of}
	if err == nil {
		w.data = out
	}
	for i := range all {
		if kept += len(all[i].lines); kept > n {
			return all[:i], w, err
		}
	}
	return all, w, err
}

// collect hands the sink what was written, and learns the cursors on the way.
func (a *appender) collect(w *written, all []*write) {
	rest := all
	a.follower.take(w, func(records []store.Record) {
		for i := range records {
			for len(rest) > 0 && len(rest[0].cursors) == len(rest[0].hashes) {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				return
			}
			if w := rest[0]; hashOf(records[i].Cursor) == w.hashes[len(w.cursors)] {
				w.cursors = append(w.cursors, string(records[i].Cursor))
			}
		}
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range all {
		a.count += uint64(len(w.hashes))
		w.nameUnseen()
	}
}

// nameUnseen makes cursors for events that were written but could not be read back, as
// if none had an equal.
func (w *write) nameUnseen() {
	for i := len(w.cursors); i < len(w.hashes); i++ {
		id := identity{time: w.times[i], hash: w.hashes[i]}
		w.cursors = append(w.cursors, string(appendEventCursor(nil, id, 0)))
	}
}

// openForAppend opens the file that is at the path now, and returns its state.
func (a *appender) openForAppend() (fileState, error) {
	id, stat, err := a.disk.at(a.path)
	if err == nil && a.file != nil && id == a.id {
		return stateOf(&stat), nil
	}
	create := errors.Is(err, os.ErrNotExist)
	if a.file != nil {
		a.syncs.former(a.file)
		a.file = nil
	}
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT
	f, err := a.disk.open(a.path, flags, fileMode)
	if errors.Is(err, os.ErrNotExist) { // it vanished with the directory, whose lock is held
		if err := a.makeDir(); err != nil {
			return fileState{}, err
		}
		f, err = a.disk.open(a.path, flags, fileMode)
	}
	if err != nil {
		return fileState{}, errors.Wrap(err, "cannot open the log for writing"+advice(err))
	}
	if id, stat, err = a.disk.of(f); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNoFile
	}
	if err != nil {
		_ = f.Close()
		return fileState{}, errors.Wrapf(err, "cannot open the log %s for writing", a.path)
	}
	if create {
		a.syncs.syncNames()
	}
	a.file, a.id = f, id
	return stateOf(&stat), nil
}

func stateOf(stat *unix.Statx_t) fileState {
	return fileState{
		size: int64(stat.Size), modified: time.Unix(stat.Mtime.Sec, int64(stat.Mtime.Nsec)),
		uid: uidOfEvents(stat.Uid, uint32(stat.Mode)),
	}
}

// isTorn reports whether the last line of the log is unfinished.
func (a *appender) isTorn(state *fileState) (bool, error) {
	if state.size == 0 || a.follower.knowsEnd(a.id, state.size, state.modified) {
		return false, nil
	}
	var last [1]byte
	if _, err := a.disk.readAt(a.file, last[:], state.size-1); err != nil {
		return false, errors.Wrap(err, "cannot read the end of the log")
	}
	return last[0] != '\n', nil
}

// writeWhole writes all or nothing: if a full disk accepts only part, that is truncated
// again, unless a process that ignores the lock has written after it. It returns how
// much stays.
func (a *appender) writeWhole(out []byte, size int64) (int, error) {
	n, err := a.disk.write(a.file, out)
	if err == nil {
		return n, nil
	}
	err = errors.Wrap(err, "cannot write to the log"+advice(err))
	if n == 0 {
		return 0, err
	}
	_, stat, cutErr := a.disk.of(a.file)
	if cutErr == nil && int64(stat.Size) == size+int64(n) {
		if cutErr = a.disk.truncate(a.file, size); cutErr == nil {
			return 0, err
		}
	}
	a.log.Error("cannot remove a partly written line", messageid.Fault, "path", a.path, "error", cutErr)
	return n, err
}

// setAside renames the log, and deletes the oldest file set aside before. It is called
// with the lock of the log held, when all that was written so far has been read.
// Nothing is rewritten, so a reader of one of the files can continue.
func (a *appender) setAside() error {
	path := realPath(a.path)
	if err := rotated.Rotate(path, a.disk.rename); err != nil {
		return errors.Wrap(err, "cannot set the log aside")
	}
	f, err := a.disk.open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, fileMode)
	if err != nil {
		return errors.Wrap(err, "cannot create the log"+advice(err))
	}
	_ = f.Close()
	a.syncs.syncNames()
	_ = a.follower.lookLocked() // it will be read again
	return nil
}
