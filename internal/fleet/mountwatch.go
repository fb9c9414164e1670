package fleet

import (
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// mountWatch reports mounts and unmounts: a runtime directory is a mount of its own, on
// a directory that is created before.
type mountWatch struct{ mounts, stop int }

func newMountWatch() (*mountWatch, error) {
	mounts, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Wrap(err, "cannot watch mounts")
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(mounts)
		return nil, errors.Wrap(err, "cannot watch mounts")
	}
	return &mountWatch{mounts, stop}, nil
}

// run calls changed until close.
func (w *mountWatch) run(changed func()) {
	defer unix.Close(w.mounts)
	defer unix.Close(w.stop)
	for {
		fds := []unix.PollFd{{Fd: int32(w.mounts), Events: unix.POLLPRI}, {Fd: int32(w.stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || fds[1].Revents != 0 {
			return
		}
		if fds[0].Revents != 0 {
			changed()
		}
	}
}

func (w *mountWatch) close() { _, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
