package cli

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// isTerminalGone reports whether the output is a terminal that has hung up.
func isTerminalGone(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	entry, err := file.Stat()
	if err != nil || entry.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	_ = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(fds, 0)
		gone = n > 0 && err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone
}
