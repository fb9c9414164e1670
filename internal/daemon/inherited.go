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

// listenVariable is the variable in which systemd's Varlink tools name where a service
// that they start has to listen: "-" for stdin and stdout, as at the far end of
// 'varlinkctl info ssh-exec:HOST:eventsvc', otherwise the path of a socket.
const listenVariable = "SYSTEMD_VARLINK_LISTEN"

// Inherited is what the process was started with to serve: sockets, connections, stdin
// and stdout. The zero value is nothing.
type Inherited struct {
	varlinkwire.Activated
	// Address is an address to listen on, as varlinkwire.ParseAddress takes it; "":
	// none.
	Address string

	// sent is closed when everything has been sent on stdout; nil: stdin and stdout are
	// not served.
	sent chan struct{}
}

// HasInherited reports whether the process was started with something to serve. After
// Inherit it returns false.
func HasInherited() bool {
	return os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) || os.Getenv(listenVariable) != ""
}

// Inherit takes over the sockets of the process, and stdin and stdout if they are to be
// served. Call it once: it clears the environment, so that children do not take the
// sockets for theirs.
func Inherit() (*Inherited, error) {
	activated, err := varlinkwire.FromActivation()
	if err != nil {
		return nil, err
	}
	g := &Inherited{Activated: *activated}
	where := os.Getenv(listenVariable)
	_ = os.Unsetenv(listenVariable) // not for our children
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

// IsForOne reports whether the process was started for a single client.
func (g *Inherited) IsForOne() bool {
	return len(g.Listeners) == 0 && len(g.Conns) > 0 || g.isBridged()
}

// isBridged reports whether a Varlink tool started the service for its own use
// ("varlink -A 'eventsvc serve' bridge"): unlike systemd, it passes the address of the
// socket in VARLINK_ADDRESS. Such a service ends with its last client.
func (g *Inherited) isBridged() bool {
	return len(g.Listeners) > 0 && os.Getenv("VARLINK_ADDRESS") != ""
}

// addressOf returns the address to listen on for a value of the variable.
func addressOf(where string) (string, error) {
	path := strings.TrimPrefix(where, "unix:")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "@") {
		return "", errors.Errorf("cannot use %s=%s: it must be - or the path of a socket", listenVariable, where)
	}
	return "unix:" + path, nil
}

// addStdio makes a connection of stdin and stdout. They may be pipes, or a socket whose
// other end is sshd. So the bytes go through a pair of sockets of our own, whose peer
// is, to the kernel, the user of this process. That is correct: a process that holds
// our stdin has started us.
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
		// The reader has disconnected: nothing can be sent to it.
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
