package varlinkwire

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// Listener is a socket on which a Server accepts connections.
type Listener struct {
	sock     *net.UnixListener
	address  Address
	name     string // of an activated socket
	dev, ino uint64 // of the socket file, 0 if it must not be removed

	mu          sync.Mutex // guards what interrupts the accepting of connections
	interrupted bool
	hidden      string // the name of its file while no client is to find it, "": that of the address
	gone        bool   // no client can connect to it any more
}

// Address returns the address in the form that Listen takes.
func (l *Listener) Address() string { return l.address.String() }

// Path returns the path of the socket, or '@' and its name; "" if it has none.
func (l *Listener) Path() string { return l.address.Path }

// Name returns the name that systemd gave an activated socket
// (FileDescriptorName= in systemd.socket(5)), "" for others.
func (l *Listener) Name() string { return l.name }

// Socket returns the socket, to serve something other than a Server on it. Close closes
// it.
func (l *Listener) Socket() *net.UnixListener { return l.sock }

// ReadOnly reports whether this socket refuses writes.
func (l *Listener) ReadOnly() bool { return l.address.ReadOnly }

// SetReadOnly makes this socket refuse writes. Call it before Serve.
func (l *Listener) SetReadOnly() { l.address.ReadOnly = true }

// Listen begins to listen on an address in the form that ParseAddress takes.
func Listen(address string) (*Listener, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return a.Listen()
}

// Listen begins to listen. A stale socket file is replaced. If a process is listening
// on it, or the file is not a socket, it is left alone, and Listen returns an error.
//
// The file never has a laxer mode than the requested one, and no client can connect
// before it has exactly that mode, whatever the umask is.
func (a Address) Listen() (*Listener, error) {
	if err := a.check(a.String()); err != nil {
		return nil, err
	}
	if a.Mode == 0 && !a.isAbstract() {
		a.Mode = DefaultMode
	}
	l := &Listener{address: a}
	if err := l.listen(); err != nil {
		return nil, errors.WithMessagef(err, "cannot listen on %q", a.Path)
	}
	return l, nil
}

func (l *Listener) listen() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return errors.Wrap(err, "cannot create a socket")
	}
	file := os.NewFile(uintptr(fd), l.address.Path)
	defer file.Close()
	if l.address.isAbstract() {
		err = l.bindAbstract(fd)
	} else {
		err = l.bindFile(fd)
	}
	if err != nil {
		return err
	}
	return l.adopt(file)
}

// adopt lets the Go runtime wait for connections on the socket.
func (l *Listener) adopt(file *os.File) error {
	sock, err := net.FileListener(file)
	if err != nil {
		l.removeFile()
		return errors.Wrap(err, "cannot use the socket")
	}
	unixSock, ok := sock.(*net.UnixListener)
	if !ok {
		_ = sock.Close()
		return errors.New("it is not a unix socket")
	}
	// Close removes the file, and only if it is still this socket's.
	unixSock.SetUnlinkOnClose(false)
	l.sock = unixSock
	return nil
}

// backlog is how many connections may wait to be accepted. The kernel lowers it to
// net.core.somaxconn.
const backlog = 4096

func (l *Listener) bindAbstract(fd int) error {
	err := unix.Bind(fd, &unix.SockaddrUnix{Name: l.address.Path})
	if err == unix.EADDRINUSE {
		return errors.New("another process listens there; stop it, or choose another name")
	}
	if err != nil {
		return errors.Wrap(err, "cannot bind")
	}
	return errors.Wrap(unix.Listen(fd, backlog), "cannot listen")
}

// Obstacle returns what would now keep Listen from listening here, as far as that can
// be seen without changing anything; nil: nothing. A process that is listening there
// already is not an obstacle: it may be this service.
func (a Address) Obstacle() error {
	if a.isAbstract() {
		return nil
	}
	return errors.WithMessagef(a.obstacle(), "cannot listen on %q", a.Path)
}

func (a Address) obstacle() error {
	dir := filepath.Dir(a.Path)
	var st unix.Stat_t
	switch err := unix.Stat(dir, &st); {
	case err == unix.ENOENT && a.MakeDir:
		return nil
	case err == unix.ENOENT:
		return noDirectory(dir)
	case err != nil:
		return errors.Wrap(err, "cannot inspect its directory")
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return errors.Errorf("%q is not a directory", dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return errors.Wrap(err, "cannot make a file in its directory")
	}
	if err := unix.Lstat(a.Path, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errNoSocket
	}
	return nil
}

// errNoSocket is returned when the path of the socket has a file that is not a socket.
var errNoSocket = errors.New("there is a file that is not a socket, which is left alone; remove it, or choose another path")

func noDirectory(path string) error {
	return errors.Errorf("there is no directory %q; create it first", path)
}

// bindFile creates the socket file. Between bind and listen no client can connect.
func (l *Listener) bindFile(fd int) error {
	if err := l.makeDir(); err != nil {
		return err
	}
	unlock, err := lockPlace(l.address.Path)
	if err != nil {
		return err
	}
	defer unlock()
	if err := removeStale(l.address.Path); err != nil {
		return err
	}
	// The kernel creates the file with the mode of the socket's own inode, minus the
	// umask: it may lack bits, but never has too many.
	if err := unix.Fchmod(fd, uint32(l.address.Mode)); err != nil {
		return errors.Wrap(err, "cannot set the mode of the socket")
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: l.address.Path}); err != nil {
		return errors.Wrap(err, "cannot bind")
	}
	if err := l.own(); err != nil {
		return err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		l.removeFile()
		return errors.Wrap(err, "cannot listen")
	}
	return nil
}

// makeDir creates the directory of the socket if the address asks for it. Otherwise a
// missing directory is an error.
func (l *Listener) makeDir() error {
	const dirMode = 0o755
	path := filepath.Dir(l.address.Path)
	if l.address.MakeDir {
		switch err := os.Mkdir(path, dirMode); {
		case err == nil:
			// Whatever the umask is: the socket's mode decides who may connect.
			if err := os.Chmod(path, dirMode); err != nil {
				return errors.Wrap(err, "cannot set the mode of its directory")
			}
		case !errors.Is(err, fs.ErrExist):
			return errors.Wrap(err, "cannot create its directory")
		}
	}
	switch found, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return noDirectory(path)
	case err != nil:
		return errors.Wrap(err, "cannot inspect its directory")
	case !found.IsDir():
		return errors.Errorf("%q is not a directory", path)
	}
	return nil
}

// own records which file the socket is, and sets the mode bits that the umask cleared.
// It changes the file that was bound, not whatever has the name by now.
func (l *Listener) own() error {
	fd, err := unix.Open(l.address.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Wrap(err, "cannot find the new socket")
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errors.Wrap(err, "cannot inspect the new socket")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != os.Geteuid() {
		return errors.New("another process put something else in its place; use a directory that only this user can write to")
	}
	l.dev, l.ino = st.Dev, st.Ino
	if fs.FileMode(st.Mode).Perm() == l.address.Mode {
		return nil
	}
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), uint32(l.address.Mode)); err != nil {
		l.removeFile()
		return errors.Wrap(err, "cannot set the mode of the socket")
	}
	return nil
}

// removeStale removes a socket file on which no process listens. Anything else there is
// an error.
func removeStale(path string) error {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case err == unix.ENOENT:
		return nil
	case err != nil:
		return errors.Wrap(err, "cannot inspect the existing file")
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errNoSocket
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return errors.Wrap(err, "cannot create a socket")
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED:
		return errors.Wrap(os.Remove(path), "cannot remove the stale socket")
	case unix.ENOENT:
		return nil
	case nil, unix.EAGAIN:
		return errors.New("another process listens there; stop it, or choose another path")
	case unix.EPROTOTYPE:
		return errors.New("there is a socket of another kind, which is left alone; remove it, or choose another path")
	default:
		return errors.Wrap(err, "cannot determine whether another process listens there")
	}
}

// Close stops listening and removes the socket file if it is still the one that Listen
// made. Accepted connections stay open.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// While the file is removed the socket still accepts, so that a process that checks
	// does not take it for stale.
	l.removeFile()
	return errors.Wrap(l.sock.Close(), "cannot close the socket")
}

func (l *Listener) removeFile() {
	path := l.address.Path
	if l.hidden != "" {
		path = l.hidden
	}
	if l.isOurs(path) {
		_ = os.Remove(path)
	}
	l.ino, l.hidden = 0, ""
}

// isOurs reports whether the file at a path is this socket.
func (l *Listener) isOurs(path string) bool {
	var st unix.Stat_t
	return l.ino != 0 && unix.Lstat(path, &st) == nil && st.Dev == l.dev && st.Ino == l.ino
}
