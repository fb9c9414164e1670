package varlinkwire

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// The errors of a frameReader that can be sent to the client, from which no more is
// read.
var (
	errTooLong  = errors.New("the request is too long")
	errNoMemory = errors.New("too much memory is taken by unfinished requests of this user")
)

// frameReader splits what a client sends into frames. It reads each byte once. While it
// waits for a request to begin it holds no buffer.
type frameReader struct {
	sock *net.UnixConn
	raw  syscall.RawConn

	buf     []byte // buf[start:] was read and not yet returned
	start   int
	scanned int                      // there is no NUL in buf[start:scanned]
	pooled  *[limits.ReadBuffer]byte // the array of buf, nil if it has its own
	busy    bool                     // the last read filled buf: there is more to read

	pooledBusy *[limits.BusyReadBuffer]byte // like pooled, for a busy client
	most       int                          // the longest request
	deadline   time.Time                    // of the unfinished request, zero: there is none
	timeout    time.Duration                // of an unfinished request
	err        error                        // of the read that fills
	first      bool                         // no frame has been returned yet

	fillFunc func(fd uintptr) bool // the method fill, made once
	reserve  func(n int) bool      // reserves n bytes of memory, or releases them
	reserved int
	stopping func() bool  // the service is stopping: what has not been read is not wanted
	drained  func() error // called before more is read, when all whole requests were returned
}

var (
	readBuffers = sync.Pool{New: func() any { return new([limits.ReadBuffer]byte) }}
	busyBuffers = sync.Pool{New: func() any { return new([limits.BusyReadBuffer]byte) }}
)

// next returns the next frame without its NUL. It is valid until the next call of next
// or release. The error is io.EOF after the client's last request, errTooLong,
// errNoMemory, or the socket's.
func (r *frameReader) next() ([]byte, error) {
	for {
		if r.first {
			if err := checkForeign(r.buf[r.start:]); err != nil {
				return nil, err
			}
		}
		if i := bytes.IndexByte(r.buf[r.scanned:], 0); i >= 0 {
			frame := r.buf[r.start : r.scanned+i]
			r.start = r.scanned + i + 1
			r.scanned = r.start
			if len(frame) > r.most {
				return nil, errTooLong
			}
			r.setTimed(false)
			r.first = false
			return frame, nil
		}
		r.scanned = len(r.buf)
		if len(r.buf)-r.start > r.most {
			return nil, errTooLong
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// more appends to buf.
func (r *frameReader) more() error {
	if err := r.drained(); err != nil {
		return err
	}
	if r.start == len(r.buf) {
		r.release()
	} else {
		r.setTimed(true)
		if err := r.grow(); err != nil {
			return err
		}
	}
	noEnd := r.first && lacksEnd(r.buf[r.start:])
	if soon := time.Now().Add(endTimeout); noEnd && soon.Before(r.deadline) {
		r.endReading(soon)
		defer func() { r.endReading(r.deadline) }()
	}
	r.err = nil
	err := r.raw.Read(r.fillFunc)
	switch {
	case noEnd && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(r.err, io.EOF)) && !r.stopping():
		return foreignError(endText)
	case err != nil:
		return err
	}
	if errors.Is(r.err, io.EOF) && r.start < len(r.buf) {
		return io.ErrUnexpectedEOF
	}
	return r.err
}

// fill reads once. It returns false if there is nothing to read yet.
func (r *frameReader) fill(fd uintptr) bool {
	if r.buf == nil {
		r.pooled = readBuffers.Get().(*[limits.ReadBuffer]byte)
		r.buf = r.pooled[:0]
	}
	room := cap(r.buf) - len(r.buf)
	for {
		n, err := unix.Read(int(fd), r.buf[len(r.buf):cap(r.buf)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			r.busy = false
			if len(r.buf) == 0 {
				r.release()
			}
			return false
		case err != nil:
			r.err = errors.Wrap(err, "cannot read from the client")
		case n == 0:
			r.err = io.EOF
		default:
			r.buf = r.buf[:len(r.buf)+n]
			r.busy = n == room
		}
		return true
	}
}

// grow makes room for the rest of an unfinished request: it moves the request to the
// start of the buffer, or takes a buffer of twice the size.
func (r *frameReader) grow() error {
	unfinished := r.buf[r.start:]
	if len(r.buf) < cap(r.buf) {
		return nil
	}
	if r.busy && cap(r.buf) < limits.BusyReadBuffer && r.reserve(limits.BusyReadBuffer) {
		pooled := busyBuffers.Get().(*[limits.BusyReadBuffer]byte)
		r.replace(append(pooled[:0], unfinished...))
		r.pooledBusy = pooled
	} else if r.start > 0 && len(unfinished) <= cap(r.buf)/2 {
		r.buf = r.buf[:copy(r.buf, unfinished)]
	} else {
		size := min(2*max(len(unfinished), limits.ReadBuffer/2), r.most+limits.ReadBuffer)
		if !r.reserve(size) {
			return errNoMemory
		}
		r.replace(append(make([]byte, 0, size), unfinished...))
	}
	r.scanned -= r.start
	r.start = 0
	return nil
}

// replace continues in another buffer, for which memory was reserved.
func (r *frameReader) replace(larger []byte) {
	r.drop()
	r.buf, r.reserved = larger, cap(larger)
}

// release frees the buffer if everything that was read has been returned. The last
// frame is then no longer valid.
func (r *frameReader) release() {
	if r.start < len(r.buf) {
		return
	}
	r.drop()
	r.buf, r.start, r.scanned = nil, 0, 0
}

// drop frees the memory of the buffer.
func (r *frameReader) drop() {
	if r.pooled != nil {
		readBuffers.Put(r.pooled)
		r.pooled = nil
	}
	if r.pooledBusy != nil {
		busyBuffers.Put(r.pooledBusy)
		r.pooledBusy = nil
	}
	if r.reserved > 0 {
		r.reserve(-r.reserved)
		r.reserved = 0
	}
}

// setTimed starts or stops the timeout of an unfinished request.
func (r *frameReader) setTimed(timed bool) {
	if timed != r.deadline.IsZero() {
		return
	}
	r.deadline = time.Time{}
	if timed {
		r.deadline = time.Now().Add(r.timeout)
	}
	r.endReading(r.deadline)
}

// endReading sets the deadline for reading, zero for none, unless the service is
// stopping.
func (r *frameReader) endReading(deadline time.Time) {
	_ = r.sock.SetReadDeadline(deadline)
	if r.stopping() {
		_ = r.sock.SetReadDeadline(longAgo)
	}
}

// longAgo, as a deadline, ends whatever waits.
var longAgo = time.Unix(1, 0)
