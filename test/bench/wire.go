package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wire is a connection that makes blocking system calls itself, without a library or
// Go's scheduler, so that the client costs little compared with what is measured.
type wire struct {
	fd  int
	buf []byte // buf[from:to] was read and is not consumed yet

	from, to int
}

func dial(socket string) (*wire, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &wire{fd: fd}, nil
}

func (w *wire) close() { _ = unix.Close(w.fd) }

// call returns the frame of a call of io.podman.events.
func call(method string, parameters any, more bool) []byte {
	call := map[string]any{"method": "io.podman.events." + method, "parameters": parameters}
	if more {
		call["more"] = true
	}
	b, err := json.Marshal(call)
	if err != nil {
		panic(err) // the parameters are those of this program
	}
	return append(b, 0)
}

type params map[string]any

func (w *wire) send(frame []byte) error {
	for len(frame) > 0 {
		n, err := unix.Write(w.fd, frame)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot write to the socket: %w", err)
		}
		frame = frame[max(n, 0):]
	}
	return nil
}

// read reads what has arrived, or waits for it.
func (w *wire) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(w.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("cannot read from the socket: %w", err)
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		default:
			return n, nil
		}
	}
}

// await waits for something to read, as a client with an event loop does. A client that
// blocks in read is woken once more, for nothing, when the other side reads what it
// has sent. Go's scheduler does not take part in the wait: it would need up to two more
// switches of threads, and the client would be measured as much as the service.
func (w *wire) await() error {
	fds := [1]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
	for {
		_, _, err := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), uintptr(len(fds)), 0, 0, 0, 0)
		switch err {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("cannot wait for the socket: %w", err)
		}
	}
}

// recv returns the next frame without its NUL. It is valid until the next call.
func (w *wire) recv() ([]byte, error) {
	scanned := w.from
	for {
		if i := bytes.IndexByte(w.buf[scanned:w.to], 0); i >= 0 {
			frame := w.buf[w.from : scanned+i]
			w.from = scanned + i + 1
			return frame, nil
		}
		if w.from > 0 {
			w.to, w.from = copy(w.buf, w.buf[w.from:w.to]), 0
		}
		scanned = w.to
		if w.to == len(w.buf) {
			w.buf = append(w.buf, make([]byte, max(4<<10, len(w.buf)))...)
		}
		n, err := w.read(w.buf[w.to:])
		if err != nil {
			return nil, err
		}
		w.to += n
	}
}

// subscribe begins a subscription and returns when it is ready.
func (w *wire) subscribe(p params) error {
	if err := w.send(call("Subscribe", p, true)); err != nil {
		return err
	}
	frame, err := w.recv()
	if err != nil {
		return err
	}
	if !bytes.Contains(frame, []byte(`"ready":true`)) {
		return fmt.Errorf("the first reply of a subscription is %s", frame)
	}
	return nil
}

// lastFrame ends every frame but the last.
var continues = []byte("\"continues\":true}\x00")

// drain reads replies as bytes up to the last one, and returns the number of bytes.
func (w *wire) drain(buf []byte) (total int64, err error) {
	tail := make([]byte, 0, 2*len(continues))
	for {
		n, err := w.read(buf)
		if err != nil {
			return total, err
		}
		total += int64(n)
		tail = append(tail, buf[max(0, n-len(continues)):n]...)
		tail = append(tail[:0], tail[max(0, len(tail)-len(continues)):]...)
		if tail[len(tail)-1] == 0 && !bytes.Equal(tail, continues) {
			return total, nil
		}
	}
}
