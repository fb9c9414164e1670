package varlinkwire

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/errors"
)

// DefaultMode is the default mode of a socket: only the service's user, and root, can
// connect.
const DefaultMode fs.FileMode = 0o600

// maxPath is the length of a path that fits into the kernel's sockaddr_un (unix(7)),
// without the closing NUL.
const maxPath = 107

// Address is an address to listen on. ParseAddress parses one.
type Address struct {
	// Path is the path of the socket, or '@' and the name of an abstract socket
	// (unix(7)).
	Path string
	// Mode is the mode of the socket file; 0: DefaultMode.
	Mode fs.FileMode
	// ReadOnly refuses WriteEvent to all clients, root included.
	ReadOnly bool
	// MakeDir creates the directory of the socket, with mode 0755, if it is missing. It
	// is for the default path, whose directory no user has created.
	MakeDir bool
}

// isAbstract reports whether the socket is abstract.
func (a *Address) isAbstract() bool { return strings.HasPrefix(a.Path, "@") }

// String returns the address in the form that ParseAddress takes, which is
// also what clients take as long as there are no options.
func (a *Address) String() string {
	s := "unix:" + a.Path
	if a.Mode != 0 && a.Mode != DefaultMode {
		s += ",mode=" + strconv.FormatUint(uint64(a.Mode.Perm())|1<<12, 8)[1:]
	}
	if a.ReadOnly {
		s += ",readonly"
	}
	return s
}

// ParseAddress parses "unix:PATH[,mode=0600][,readonly]", and the same with
// "unix:@NAME", which has no mode.
func ParseAddress(address string) (Address, error) {
	var a Address
	rest, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return a, refused(address, "it does not begin with 'unix:'; give unix:PATH[,mode=0600][,readonly]")
	}
	words := strings.Split(rest, ",")
	a.Path = words[0]
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case word == "readonly":
			a.ReadOnly = true
		case key == "mode":
			mode, err := strconv.ParseUint(value, 8, 32)
			if err != nil || mode == 0 || mode > 0o777 {
				return a, refused(address, "mode takes an octal number from 0001 to 0777, such as 0660")
			}
			a.Mode = fs.FileMode(mode)
		default:
			return a, refused(address, "unknown option "+strconv.Quote(word)+"; there are mode=0600 and readonly")
		}
	}
	return a, a.check(address)
}

// check refuses an address that the kernel would not accept, or that asks for something
// that would have no effect.
func (a *Address) check(address string) error {
	switch {
	case a.Path == "" || a.Path == "@":
		return refused(address, "it has no path; give unix:PATH")
	case strings.ContainsRune(a.Path, 0):
		return refused(address, "its path has a NUL byte")
	case a.isAbstract() && a.Mode != 0:
		return refused(address, "an abstract socket has no mode: every process that can reach it can connect, and then sees what "+
			"its uid may see; leave mode out, or give a path")
	}
	if !a.isAbstract() {
		abs, err := filepath.Abs(a.Path)
		if err != nil {
			return errors.Wrapf(err, "cannot listen on %q", address)
		}
		a.Path = abs
	}
	if len(a.Path) > maxPath {
		return refused(address, "its path has "+strconv.Itoa(len(a.Path))+" bytes, and a socket's path has at most "+
			strconv.Itoa(maxPath)+"; choose a shorter directory, or listen on a short path and link to it")
	}
	return nil
}

func refused(address, reason string) error {
	return errors.Errorf("cannot listen on %q: %s", address, reason)
}
