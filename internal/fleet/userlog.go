package fleet

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
)

// userLog is a user's log file, with the state of its collection. It is used by one
// goroutine.
type userLog struct {
	account account
	path    string
	key     logKey
	from    *FromUsers
	sink    *Sink

	file *openedLog // nil: there is none
	off  int64      // where to continue
	tail []byte     // the bytes before off, at most tailLength
	// passing: off is inside a line that is too long to be read.
	passing bool
	// ended: the last file was read to its end and then removed, so the next does not
	// continue it.
	ended bool
	read  bucket // bytes of the user's file
	wrote bucket // bytes of the collected log
	turn  *turn  // while it reads
	fault string
}

const (
	// tailLength is how much before the position is compared with the file each time,
	// to detect a log rewritten in place.
	tailLength = 128
	// fileChunk is how much of a user's file is read at once.
	fileChunk = 64 << 10
	// mostSearched bounds the search for a position in a file that replaced another, in
	// bytes: Podman rotates at 1 MB by default.
	mostSearched = 256 << 20
	// roomOfOrigin is how much longer a line becomes.
	roomOfOrigin = 512
)

// look collects what is new, given the file at the path. It closes next unless it
// continues in it. more: there is more already.
func (l *userLog) look(next *openedLog, fault error) (more bool, err error) {
	defer func() {
		if next != nil {
			_ = next.Close()
		}
	}()
	if l.file != nil {
		// The path was checked first, so a file that was replaced is read to its end
		// here.
		if more, err = l.collect(); more || err != nil {
			return more, err
		}
		if next != nil && sameFile(l.file, next) {
			return false, nil
		}
		if next == nil {
			if fault == nil && isRemoved(l.file) {
				l.close()
				l.ended = true
			}
			return false, nil
		}
	}
	if next == nil {
		return false, nil
	}
	// Podman rotates within a directory. In another one it has begun a new log.
	l.ended = l.ended || l.file != nil && l.file.dir != next.dir && isRemoved(l.file)
	l.close()
	l.file, next = next, nil
	return true, l.begin()
}

// open opens the file at the path, and first has its directory watched; nil: there is
// none, or it must not be read.
func (l *userLog) open(ctx context.Context) (file *openedLog, fault error) {
	opened := make(chan *openedLog, 1)
	err := l.from.ids.as(ctx, l.account.uid, l.account.gid, func() error {
		file, err := l.account.openLog(l.path, func(dir int) { l.from.watch.arm(dir, l.account.uid) })
		opened <- file
		return err
	})
	select {
	case file = <-opened:
	default: // the context has ended, or the rights could not be taken
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || ctx.Err() != nil {
		err = nil
	}
	return file, err
}

// note logs, once, why a log is not read.
func (l *userLog) note(fault error) {
	text := ""
	if fault != nil {
		text = fault.Error()
	}
	if text != l.fault && text != "" {
		l.from.warn("cannot read the log of a user", l, "error", text)
	}
	l.fault = text
}

func (l *userLog) close() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	l.passing = false
}

func sameFile(a, b *openedLog) bool {
	one, err := a.Stat()
	two, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(one, two)
}

// isRemoved reports whether a file has no name any more.
func isRemoved(f *openedLog) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(f.Fd()), &stat) == nil && stat.Nlink == 0
}

// begin determines where to continue in a file that was opened, or rewritten in place:
// after the last collected line, if it is there.
func (l *userLog) begin() error {
	l.off, l.tail, l.passing = 0, nil, false
	place, known := l.from.place(l.key)
	ended := l.ended
	l.ended = false
	if !known {
		return nil
	}
	off, found, err := l.find(place)
	switch {
	case err == nil && found:
		l.off = off
		l.tail = make([]byte, min(tailLength, off))
		_, err = unix.Pread(int(l.file.Fd()), l.tail, off-int64(len(l.tail)))
	case err == nil && ended:
		if ended, err = l.isUncut(); err == nil && !ended {
			err = l.reportGap(place)
		}
	case err == nil:
		err = l.reportGap(place)
	}
	if err != nil {
		l.close() // and begin again
	}
	return err
}

// reportGap reports, once, that events of the user may be lost: the place of the report
// is the start of the file.
func (l *userLog) reportGap(after filePlace) error {
	text, err := lostLine(l.path, strconv.FormatInt(after.offset, 10), "0", int64(l.account.uid), "")
	if err != nil {
		return err
	}
	text = appendFilePlace(text, l.key, filePlace{})
	if err := l.append(text, Counts{Gaps: 1}); err != nil {
		return err
	}
	l.wrote.take(len(text))
	l.from.setPlace(l.key, filePlace{})
	l.from.warn("events may be lost: the log of a user does not continue the one that was collected", l, "after", after.offset)
	return nil
}

// isUncut reports whether nothing in the file shows that Podman has removed its older
// half.
func (l *userLog) isUncut() (bool, error) {
	mark := []byte(events.Rotate)
	buffer := l.turn.in[:fileChunk]
	for at := int64(0); at < mostSearched; {
		n, err := unix.Pread(int(l.file.Fd()), buffer, at)
		if err != nil {
			return false, errors.Wrap(err, "cannot search the log of a user")
		}
		l.read.take(n)
		if bytes.Contains(buffer[:n], mark) {
			return false, nil
		}
		if n < len(buffer) {
			return true, nil
		}
		at += int64(n - len(mark))
	}
	return false, nil
}

// collect reads and appends at most one chunk. more: there is more.
func (l *userLog) collect() (more bool, err error) {
	same, err := l.isUnchanged()
	if err != nil {
		return false, err
	}
	if !same {
		return true, l.begin()
	}
	if l.passing {
		if err := l.passHole(); err != nil {
			return false, err
		}
	}
	data, err := l.next()
	if err != nil || len(data) == 0 {
		return false, err
	}
	if l.passing {
		end := bytes.IndexByte(data, '\n')
		if l.passing = end < 0; !l.passing {
			data = data[:end+1]
		}
		l.advance(data)
		return true, nil
	}
	last := bytes.LastIndexByte(data, '\n')
	if last < 0 { // longer than any line
		l.passing = true
		l.from.warn("left out a line of the log of a user", l, "offset", l.off, "reason", line.ErrLong)
		l.advance(data)
		return true, l.append(nil, Counts{Refused: 1})
	}
	data = data[:last+1]
	lines, place, done := l.convert(data)
	if err := l.append(lines, done); err != nil {
		return false, err
	}
	l.wrote.take(len(lines))
	l.advance(data)
	if done.Events > 0 {
		l.from.setPlace(l.key, place)
	}
	return true, nil
}

// append appends to the collected log. If it fails, some of the lines may be in the
// log: the next round determines which.
func (l *userLog) append(lines []byte, done Counts) error {
	err := l.sink.Append(lines, done)
	if err != nil {
		l.from.fail(err)
	}
	return err
}

// advance moves the position to the end of data, which begins at it.
func (l *userLog) advance(data []byte) {
	l.off += int64(len(data))
	l.tail = append(l.tail[:0], data[max(0, len(data)-tailLength):]...)
}

// next returns the next part of the file, up to a chunk that contains a newline, or up
// to the longest line; nothing if there is no whole line yet.
func (l *userLog) next() ([]byte, error) {
	for size := fileChunk; ; size = min(8*size, line.MaxLine+1) {
		if cap(l.turn.in) < size {
			l.turn.in = make([]byte, size)
		}
		n, err := unix.Pread(int(l.file.Fd()), l.turn.in[:size], l.off)
		if err != nil {
			return nil, errors.Wrap(err, "cannot read the log of a user")
		}
		l.read.take(n)
		data := l.turn.in[:n]
		switch {
		case l.passing, bytes.IndexByte(data, '\n') >= 0, size > line.MaxLine:
			return data, nil
		case n < size:
			return nil, nil // a line that is being written
		}
	}
}

// passHole moves to the end of a hole, in which there is no newline.
func (l *userLog) passHole() error {
	off, err := unix.Seek(int(l.file.Fd()), l.off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		i, err := l.file.Stat()
		if err != nil {
			return err
		}
		off = i.Size()
	case err != nil:
		return nil //nolint:nilerr // a file system that knows no holes
	}
	if off > l.off {
		l.off, l.tail = off, l.tail[:0]
	}
	return nil
}

// isUnchanged reports whether the bytes before the position are those that were read
// there.
func (l *userLog) isUnchanged() (bool, error) {
	if len(l.tail) == 0 {
		i, err := l.file.Stat()
		if err != nil {
			return false, errors.Wrap(err, "cannot read the log of a user")
		}
		return i.Size() >= l.off, nil
	}
	before := make([]byte, len(l.tail))
	n, err := unix.Pread(int(l.file.Fd()), before, l.off-int64(len(before)))
	return n == len(before) && bytes.Equal(before, l.tail), errors.Wrap(err, "cannot read the log of a user")
}

// convert turns lines of the user's log into lines of the collected log.
func (l *userLog) convert(data []byte) (lines []byte, place filePlace, done Counts) {
	lines = l.turn.out[:0]
	off := l.off
	for text := range bytes.Lines(data) {
		off += int64(len(text))
		text = text[:len(text)-1]
		if len(text) == 0 {
			continue
		}
		at := filePlace{offset: off, hash: hashLine(text)}
		var f line.Fields
		found, _, err := line.Find(text, &f)
		if found != nil && f.Extra { // unknown members could fake an origin
			e := f.Event(found)
			e.Extra = nil
			found, err = e.AppendJSON(nil)
		}
		if len(found) > line.MaxLine-roomOfOrigin {
			found, err = nil, line.ErrLong
		}
		if found == nil || err != nil {
			done.Refused++
			l.from.warn("left out a line of the log of a user, or a part of it", l, "end", off, "reason", err)
		}
		if found == nil {
			continue
		}
		lines = append(lines, found...)
		lines = appendFilePlace(line.AppendOrigin(lines, "", int64(l.account.uid), ""), l.key, at)
		place = at
		done.Events++
		done.Lag = time.Since(time.Unix(0, f.Time))
	}
	l.turn.out = lines
	return lines, place, done
}

// hashLine is never that of the start of a file.
func hashLine(text []byte) uint64 { return xxhash.Sum64(text) | 1 }

// find returns the offset after the line of the place: at its old offset, otherwise its
// last occurrence.
func (l *userLog) find(p filePlace) (off int64, found bool, err error) {
	if p.hash == 0 || l.endsAt(p) {
		return p.offset, true, nil
	}
	var at int64
	digest := xxhash.New()
	buffer := l.turn.in[:fileChunk]
	for at < mostSearched {
		n, err := unix.Pread(int(l.file.Fd()), buffer, at)
		if err != nil {
			return 0, false, errors.Wrap(err, "cannot search the log of a user")
		}
		if n == 0 {
			break
		}
		l.read.take(n)
		for done := 0; done < n; {
			end := bytes.IndexByte(buffer[done:n], '\n')
			if end < 0 {
				_, _ = digest.Write(buffer[done:n])
				break
			}
			_, _ = digest.Write(buffer[done : done+end])
			done += end + 1
			if digest.Sum64()|1 == p.hash {
				off, found = at+int64(done), true
			}
			digest.Reset()
		}
		at += int64(n)
	}
	return off, found, nil
}

// endsAt reports whether the line of the place ends where it did.
func (l *userLog) endsAt(p filePlace) bool {
	for size := int64(4 << 10); ; size *= 16 {
		start := max(0, p.offset-size)
		data := make([]byte, p.offset-start)
		n, err := unix.Pread(int(l.file.Fd()), data, start)
		if err != nil || n < len(data) || n == 0 || data[n-1] != '\n' {
			return false
		}
		begin := bytes.LastIndexByte(data[:n-1], '\n') + 1
		if begin > 0 || start == 0 {
			return hashLine(data[begin:n-1]) == p.hash
		}
		if size > line.MaxLine {
			return false
		}
	}
}
