package varlinkwire

import (
	"net"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// Activated is the sockets that the process was started with, by systemd
// (sd_listen_fds(3)) or by "varlinkctl exec:".
type Activated struct {
	// Listeners are the sockets on which clients will connect. The name
	// (FileDescriptorName=) says what each is for: FullName and LegacyName serve
	// everything; ReadOnlyName, and every name that ends in it, refuse writes. Their
	// files are systemd's, and are not removed.
	Listeners []*Listener
	// Conns are sockets with a connected client, for ServeConn: from Accept=yes or
	// "varlinkctl exec:".
	Conns []*net.UnixConn
}

// Any reports whether there are any sockets.
func (a *Activated) Any() bool { return len(a.Listeners)+len(a.Conns) > 0 }

// Close closes all sockets.
func (a *Activated) Close() {
	for _, l := range a.Listeners {
		_ = l.sock.Close()
	}
	for _, c := range a.Conns {
		_ = c.Close()
	}
}

// FromActivation takes over the sockets that the process was started with. It removes
// them from the environment, so that child processes do not take them for theirs. It
// can be called once.
func FromActivation() (*Activated, error) {
	a := new(Activated)
	var first error
	for _, file := range activation.Files(true) {
		err := a.add(file)
		_ = file.Close()
		if err != nil && first == nil {
			first = errors.WithMessagef(err, "cannot use the socket %q that the service was started with", file.Name())
		}
	}
	if first != nil {
		a.Close()
		return nil, first
	}
	return a, nil
}

// The names of activated sockets (FileDescriptorName= in systemd.socket(5)).
const (
	// FullName is the name of the normal socket; varlinkctl uses the same name for its
	// own (https://varlink.org, "Activation").
	FullName = "varlink"
	// LegacyName is the name of the socket at Podman's old path.
	LegacyName = "legacy"
	// ReadOnlyName is the name of a socket that refuses writes.
	ReadOnlyName = "readonly"
)

// UnknownNames returns the names of listeners that have no meaning. These are served
// like the normal one.
func (a *Activated) UnknownNames() []string {
	var unknown []string
	for _, l := range a.Listeners {
		if l.name != FullName && l.name != LegacyName && !strings.HasSuffix(l.name, ReadOnlyName) &&
			!strings.HasPrefix(l.name, noName) {
			unknown = append(unknown, l.name)
		}
	}
	return unknown
}

// noName is the prefix of the name that go-systemd gives a socket without a name.
const noName = "LISTEN_FD_"

func (a *Activated) add(file *os.File) error {
	listens, err := listensOn(file)
	if err != nil {
		return err
	}
	if !listens {
		c, err := fileConn(file)
		if err != nil {
			return err
		}
		a.Conns = append(a.Conns, c)
		return nil
	}
	l := &Listener{name: file.Name()}
	l.address.ReadOnly = strings.HasSuffix(l.name, ReadOnlyName)
	if err := l.adopt(file); err != nil {
		return err
	}
	l.address.Path = l.sock.Addr().String()
	a.Listeners = append(a.Listeners, l)
	return nil
}

// listensOn reports whether the socket accepts connections. Anything but a unix stream
// socket is an error: only there does the kernel identify the peer.
func listensOn(file *os.File) (bool, error) {
	fd := int(file.Fd())
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return false, errors.Wrap(err, "it is not a socket")
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return false, errors.Wrap(err, "it is not a socket")
	}
	if domain != unix.AF_UNIX || kind != unix.SOCK_STREAM {
		return false, errors.New("it is not a unix stream socket; use ListenStream= with a path in the socket unit")
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return listens != 0, errors.Wrap(err, "cannot determine whether it accepts connections")
}

func fileConn(file *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(file)
	if err != nil {
		return nil, errors.Wrap(err, "cannot use it")
	}
	return c.(*net.UnixConn), nil
}
