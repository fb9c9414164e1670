package varlinkwire

import (
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// ErrStalled is returned when a client has read nothing for the write timeout.
var ErrStalled = errors.New("the client does not read")

// frameWriter sends frames to a client. As long as the client reads fast enough, a
// write is a single system call. Only a write that has to wait starts a timeout, and
// restarts it whenever the client has read something.
type frameWriter struct {
	raw syscall.RawConn

	pending   net.Buffers
	one       [1][]byte // memory for one pending frame
	gather    bool      // single frames are kept, to be sent together
	gathered  []byte
	progress  bool // since the timeout was started
	timed     bool // the timeout was started
	err       error
	flushFunc func(fd uintptr) bool // the method flush, made once

	startClock func()
	stopClock  func()
}

// write sends frames and consumes the slice.
func (w *frameWriter) write(frames net.Buffers) error {
	w.pending, w.progress, w.timed, w.err = frames, false, false, nil
	err := w.raw.Write(w.flushFunc)
	w.pending, w.one[0] = nil, nil
	if w.timed {
		w.stopClock()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrStalled
	case err == nil:
		err = w.err
	}
	return errors.Wrap(err, "cannot write to the client")
}

// sendGathered sends the frames that were kept.
func (w *frameWriter) sendGathered() error {
	frames := w.gathered
	w.gather, w.gathered = false, nil
	if len(frames) == 0 {
		return nil
	}
	return w.writeOne(frames)
}

// writeOne sends one frame.
func (w *frameWriter) writeOne(frame []byte) error {
	if w.gather {
		w.gathered = append(w.gathered, frame...)
		return nil
	}
	w.one[0] = frame
	return w.write(w.one[:])
}

// flush writes until everything is written. It returns false if it has to wait
// for the client.
func (w *frameWriter) flush(fd uintptr) bool {
	for len(w.pending) > 0 {
		n, err := writev(int(fd), w.pending)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if !w.timed || w.progress {
				w.startClock()
			}
			w.timed, w.progress = true, false
			return false
		case err != nil:
			w.err = err
			return true
		default:
			w.progress = w.progress || n > 0
			w.consume(n)
		}
	}
	return true
}

// consume removes n written bytes from the start.
func (w *frameWriter) consume(n int) {
	for len(w.pending) > 0 && n >= len(w.pending[0]) {
		n -= len(w.pending[0])
		w.pending[0] = nil
		w.pending = w.pending[1:]
	}
	if n > 0 {
		w.pending[0] = w.pending[0][n:]
	}
}

// maxVector is how many buffers the kernel accepts at a time (UIO_MAXIOV).
const maxVector = 1024

// vectors are pooled, not kept for each connection as package net does: a thousand idle
// subscribers would hold sixteen megabytes after a burst.
var vectors = sync.Pool{New: func() any { return new([maxVector]unix.Iovec) }}

// writev writes the beginning of the frames in one system call.
func writev(fd int, frames net.Buffers) (int, error) {
	if len(frames) == 1 {
		return unix.Write(fd, frames[0])
	}
	vector := vectors.Get().(*[maxVector]unix.Iovec)
	used := 0
	for _, frame := range frames[:min(len(frames), maxVector)] {
		if len(frame) > 0 {
			vector[used].Base = unsafe.SliceData(frame)
			vector[used].SetLen(len(frame))
			used++
		}
	}
	n, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(vector)), uintptr(used))
	clear(vector[:used])
	vectors.Put(vector)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
