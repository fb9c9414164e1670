package daemon

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// listenVariable is how systemd's Varlink tools say where a service that they
// start has to listen: "-" is stdin and stdout, as at the far end of
// 'varlinkctl info ssh-exec:HOST:eventsvc'; else it is the path of a socket.
const listenVariable = "SYSTEMD_VARLINK_LISTEN"

// Inherited is what the process was started with to serve: sockets, connections,
// stdin and stdout. The zero value is nothing.
type Inherited struct {
	varlinkwire.Activated
	// Address is one to listen on, as varlinkwire.ParseAddress takes it; "": none.
	Address string

	// sent is closed when what goes over stdin and stdout has gone; nil: nothing
	// does.
	sent chan struct{}
}

// HasInherited reports whether the process was started with something to serve.
// It is no longer true after Inherit.
func HasInherited() bool {
	return os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) || os.Getenv(listenVariable) != ""
}

// Inherit takes over the sockets of the process, and stdin and stdout if they are
// to be served. It can be called once: the environment no longer says so, and
// children do not take the sockets for theirs.
func Inherit() (*Inherited, error) {
	activated, err := varlinkwire.FromActivation()
	if err != nil {
		return nil, err
	}
	g := &Inherited{Activated: *activated}
	where := os.Getenv(listenVariable)
	_ = os.Unsetenv(listenVariable) // it is not for our children
	switch {
	case where == "-":
		if err := g.addStdio(os.Stdin, os.Stdout); err != nil {
			g.Close()
			return nil, err
		}
	case where != "":
		if g.Address, err = addressOf(where); err != nil {
			g.Close()
			return nil, err
		}
	}
	return g, nil
}

// IsForOne reports whether the process was started for one client alone.
func (g *Inherited) IsForOne() bool {
	return len(g.Listeners) == 0 && len(g.Conns) > 0 || g.isBridged()
}

// isBridged reports whether a Varlink tool started the service for its own use
// alone ("varlink -A 'eventsvc serve' bridge"): unlike systemd it says in
// VARLINK_ADDRESS where the socket is that it gives. Such a service ends with
// its last client.
func (g *Inherited) isBridged() bool {
	return len(g.Listeners) > 0 && os.Getenv("VARLINK_ADDRESS") != ""
}

// addressOf returns the address to listen on for what is in the variable.
func addressOf(where string) (string, error) {
	path := strings.TrimPrefix(where, "unix:")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "@") {
		return "", errors.Errorf("cannot use %s=%s: it must be - or the path of a socket", listenVariable, where)
	}
	return "unix:" + path, nil
}

// addStdio makes stdin and stdout a connection. They may be pipes, or a socket
// whose other end is sshd: so the bytes go through a pair of sockets of our own,
// whose peer the kernel knows to be the user of this process. That is who it is:
// a process that holds our stdin has started us.
func (g *Inherited) addStdio(in io.Reader, out io.Writer) error {
	near, far, err := connectedPair()
	if err != nil {
		return err
	}
	g.Conns = append(g.Conns, far)
	g.sent = make(chan struct{})
	go func() {
		_, _ = io.Copy(near, in)
		_ = near.CloseWrite()
	}()
	go func() {
		defer close(g.sent)
		_, _ = io.Copy(out, near)
		// Nothing can be said to a reader that has gone.
		_ = near.Close()
	}()
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
