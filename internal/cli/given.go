package cli

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// listenVariable is how systemd's Varlink tools say where a service is to be
// found that they start: "-" is stdin and stdout, as at the far end of
// 'varlinkctl info ssh-exec:HOST:eventsvc'; else it is the path of a socket.
const listenVariable = "SYSTEMD_VARLINK_LISTEN"

// given is what the process was started with to serve.
type given struct {
	*varlinkwire.Activated
	// asked is an address to listen on, "" for none.
	asked string
	// wait returns when what goes over stdin and stdout has gone; nil: nothing
	// does.
	wait func()
}

// takeGiven takes over the sockets of the process, and stdin and stdout if they
// are to be served.
func takeGiven() (*given, error) {
	activated, err := varlinkwire.FromActivation()
	if err != nil {
		return nil, err
	}
	g := &given{Activated: activated}
	where := os.Getenv(listenVariable)
	_ = os.Unsetenv(listenVariable) // it is not for our children
	switch {
	case where == "-":
		if err := g.addStdio(os.Stdin, os.Stdout); err != nil {
			g.Close()
			return nil, err
		}
	case where != "":
		if g.asked, err = addressOf(where); err != nil {
			g.Close()
			return nil, err
		}
	}
	return g, nil
}

// isForOne reports whether the process was started for one client alone.
func (g *given) isForOne() bool {
	return len(g.Listeners) == 0 && len(g.Conns) > 0 || isBridged(g.Activated)
}

// isForHost reports whether the process serves any client, on these listeners or
// on a bus, and not only clients that it was connected to.
func (g *given) isForHost(listeners []*varlinkwire.Listener) bool {
	return len(listeners) > 0 || len(g.Conns) == 0
}

// addressOf returns the address to listen on for what is in the variable.
func addressOf(where string) (string, error) {
	path := strings.TrimPrefix(where, "unix:")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "@") {
		return "", errors.Errorf("cannot use %s=%s: it is - or the path of a socket", listenVariable, where)
	}
	return "unix:" + path, nil
}

// addStdio makes stdin and stdout a connection. They may be pipes, or a socket
// whose other end is sshd: so the bytes go through a pair of sockets of our own,
// whose peer the kernel knows to be the user of this process. That is who it is:
// a process that holds our stdin has started us.
func (g *given) addStdio(in io.Reader, out io.Writer) error {
	near, far, err := connectedPair()
	if err != nil {
		return err
	}
	g.Conns = append(g.Conns, far)
	sent := make(chan struct{})
	go func() {
		_, _ = io.Copy(near, in)
		_ = near.CloseWrite()
	}()
	go func() {
		defer close(sent)
		_, _ = io.Copy(out, near)
		// A reader who has gone is one to whom nothing can be said.
		_ = near.Close()
	}()
	g.wait = func() { <-sent }
	return nil
}

func connectedPair() (near, far *net.UnixConn, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errors.Wrap(err, "cannot serve stdin and stdout")
	}
	var conns [2]*net.UnixConn
	for i, fd := range pair {
		file := os.NewFile(uintptr(fd), "pair")
		c, failed := net.FileConn(file)
		_ = file.Close()
		if failed != nil {
			err = failed
			continue
		}
		conns[i] = c.(*net.UnixConn)
	}
	if err != nil {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
		return nil, nil, errors.Wrap(err, "cannot serve stdin and stdout")
	}
	return conns[0], conns[1], nil
}

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
