package cli

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// untilReaderGone returns a context that ends, with errReaderGone as its cause, when
// the output can no longer be read: a command that waits would notice only when it
// writes. Call stop at the end.
func untilReaderGone(ctx context.Context, output io.Writer) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	fd, ok := descriptorOf(output, os.ModeNamedPipe|os.ModeSocket)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return ctx, func() { cancel(nil) } // the next write will fail
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if readerGone(fd, wake) {
			cancel(errReaderGone)
		}
	}()
	return ctx, func() {
		cancel(nil)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-done
		_ = unix.Close(wake)
	}
}

// readerGone waits until the output is no longer read, or until it is woken.
func readerGone(output, wake int) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(output)}, {Fd: int32(wake), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil, fds[1].Revents != 0:
			return false
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			return true
		case fds[0].Revents != 0:
			return false
		}
	}
}

// isTerminalGone reports whether the output is a terminal that has hung up.
func isTerminalGone(output io.Writer) bool {
	fd, ok := descriptorOf(output, os.ModeCharDevice)
	if !ok {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(fds, 0)
	return n > 0 && err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// descriptorOf returns the descriptor of an output that is a file of one of these kinds.
// It does not use Fd, which would change how the file is written.
func descriptorOf(output io.Writer, kinds os.FileMode) (fd int, ok bool) {
	file, ok := output.(*os.File)
	if !ok {
		return 0, false
	}
	entry, err := file.Stat()
	if err != nil || entry.Mode()&kinds == 0 {
		return 0, false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(descriptor uintptr) { fd = int(descriptor) })
	return fd, err == nil
}
