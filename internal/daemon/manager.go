package daemon

import (
	"log/slog"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// Notify sends the state of the service to the service manager, one assignment a line,
// as described in sd_notify(3). Without a manager it does nothing.
func Notify(log *slog.Logger, assignments string) { manager{log}.notify(assignments) }

// manager is the service manager, if there is one.
type manager struct{ log *slog.Logger }

func (m manager) notify(assignments string) {
	if _, err := systemd.SdNotify(false, assignments); err != nil {
		m.log.Warn("cannot notify systemd of the state of the service", "error", err)
	}
}

// notifyStopping reports that the service is stopping.
func (m manager) notifyStopping() { m.notify(systemd.SdNotifyStopping) }

// barrierTimeout is how long the manager may take to read its notifications.
const barrierTimeout = 5 * time.Second

// awaitStopping reports that the service is stopping, and returns when the manager
// knows it: a start requested from then on waits for the end, instead of counting as
// done because the service is running.
func (m manager) awaitStopping() {
	m.notifyStopping()
	if err := barrier(); err != nil {
		m.log.Warn("cannot confirm that systemd knows that the service is stopping", "error", err)
	}
}

// barrier returns when the manager has read every earlier notification: it then closes
// the descriptor that it is sent (sd_notify_barrier(3)).
func barrier() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return errors.Wrap(err, "cannot make a pipe")
	}
	defer unix.Close(pipe[0])
	err := sendFile(path, "BARRIER=1", pipe[1])
	_ = unix.Close(pipe[1])
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(barrierTimeout); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return errors.Errorf("the barrier was not passed in %v", barrierTimeout)
		}
		fds := []unix.PollFd{{Fd: int32(pipe[0])}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if n > 0 && err == nil {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return errors.Wrap(err, "cannot wait for the barrier")
		}
	}
}

// sendFile sends a datagram and a descriptor.
func sendFile(path, text string, fd int) error {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return errors.Wrap(err, "cannot send a barrier")
	}
	defer unix.Close(sock)
	// '@' means an abstract socket, here as there.
	err = unix.Sendmsg(sock, []byte(text), unix.UnixRights(fd), &unix.SockaddrUnix{Name: path}, 0)
	return errors.Wrap(err, "cannot send a barrier")
}
