package client

import (
	"bytes"
	"io"

	"github.com/pkg/errors"
)

// The limits of a frame, in bytes.
const (
	// readSize is how much is read from the connection at a time: as much as a unix
	// socket holds by default, so that few reads empty it.
	readSize = 128 << 10
	// keptBuffer is how much memory is kept for the next frames: enough for pages.
	keptBuffer = 4 << 20
	// maxFrame bounds a reply. A page is about 1 MiB; a single event can be
	// larger, as its labels are not bounded by Podman.
	maxFrame = 64 << 20
)

// errFrameSize is returned for a reply that is larger than maxFrame.
var errFrameSize = errors.Errorf("the reply is larger than %d MiB", maxFrame>>20)

// frames splits what a connection sends into messages, which end in NUL. A failed read,
// for example at a deadline, loses nothing: reading can continue.
type frames struct {
	r       io.Reader
	buf     []byte
	start   int // of the first frame that was not returned yet
	end     int // of the data
	scanned int // there is no NUL before it
}

// next returns the next frame without its NUL. It is valid until the next call. At the
// end of the connection the error is io.EOF between frames, and io.ErrUnexpectedEOF
// within one.
func (f *frames) next() ([]byte, error) {
	for {
		if frame, ok := f.take(); ok {
			return frame, nil
		}
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
}

// ready reports whether next would return a frame without reading.
func (f *frames) ready() bool {
	_, ok := f.find()
	return ok
}

// empty reports whether everything that was read has been returned.
func (f *frames) empty() bool { return f.start == f.end }

func (f *frames) find() (nul int, ok bool) {
	i := bytes.IndexByte(f.buf[f.scanned:f.end], 0)
	if i < 0 {
		f.scanned = f.end
		return 0, false
	}
	f.scanned += i
	return f.scanned, true
}

func (f *frames) take() ([]byte, bool) {
	nul, ok := f.find()
	if !ok {
		return nil, false
	}
	frame := f.buf[f.start:nul]
	f.start, f.scanned = nul+1, nul+1
	return frame, true
}

// handOver hands the memory of the last frame to the caller, and continues in other
// memory.
func (f *frames) handOver(spare []byte) (memory []byte) {
	rest := f.buf[f.start:f.end]
	if cap(spare) < len(rest)+readSize || cap(spare) > keptBuffer {
		spare = make([]byte, max(len(f.buf), len(rest)+readSize))
	}
	spare = spare[:cap(spare)]
	f.end, f.scanned, f.start = copy(spare, rest), f.scanned-f.start, 0
	memory, f.buf = f.buf, spare
	return memory
}

// fill reads once, after making room.
func (f *frames) fill() error {
	if f.start == f.end {
		f.start, f.end, f.scanned = 0, 0, 0
		if len(f.buf) > keptBuffer {
			f.buf = nil // after a huge frame
		}
	}
	if len(f.buf)-f.end < readSize/2 {
		if held := f.end - f.start; held+readSize > len(f.buf) {
			grown := make([]byte, max(readSize, 2*held+readSize))
			copy(grown, f.buf[f.start:f.end])
			f.buf = grown
		} else {
			copy(f.buf, f.buf[f.start:f.end])
		}
		f.scanned -= f.start
		f.end -= f.start
		f.start = 0
	}
	if f.end-f.start > maxFrame {
		return errFrameSize
	}
	n, err := f.r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && !f.empty() {
		return io.ErrUnexpectedEOF
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
