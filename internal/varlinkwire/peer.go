package varlinkwire

import (
	"net"
	"unsafe"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a connection, as the kernel describes
// it.
type Peer struct {
	// UID and GID are its effective user and group when it connected.
	UID, GID uint32
	// PID is its process ID. Use it for logs only: it may already belong to another
	// process.
	PID int32
	// Groups are its supplementary groups when it connected.
	Groups []uint32
}

// peerOf asks the kernel for the peer of a connection.
func peerOf(conn *net.UnixConn) (Peer, error) {
	var peer Peer
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer, errors.Wrap(err, "cannot identify the peer")
	}
	var callErr error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			callErr = err
			return
		}
		peer.UID, peer.GID, peer.PID = cred.Uid, cred.Gid, cred.Pid
		peer.Groups, callErr = peerGroups(int(fd))
	})
	if err == nil {
		err = callErr
	}
	return peer, errors.Wrap(err, "cannot identify the peer")
}

// peerGroups returns the supplementary groups that the peer had when it connected
// (SO_PEERGROUPS in unix(7)); none with a kernel before 4.13, which does not report
// them.
func peerGroups(fd int) ([]uint32, error) {
	const size = unsafe.Sizeof(uint32(0))
	var first [32]uint32
	groups := first[:]
	for {
		length := uint32(uintptr(len(groups)) * size)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(unsafe.SliceData(groups))), uintptr(unsafe.Pointer(&length)), 0)
		needed := int(uintptr(length) / size)
		switch {
		case errno == unix.ERANGE && needed > len(groups):
			groups = make([]uint32, needed)
		case errno == unix.ENOPROTOOPT || errno == unix.ENODATA:
			return nil, nil
		case errno != 0:
			return nil, errno
		case needed == 0:
			return nil, nil
		default:
			return append([]uint32(nil), groups[:needed]...), nil
		}
	}
}
