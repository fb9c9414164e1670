package access

import (
	"fmt"
	"slices"
)

// Peer is the process at the other end of a connection, as the kernel or the
// bus describes it.
type Peer struct {
	// UID and GID are its effective user and group when it connected.
	UID, GID uint32
	// PID is its process ID, 0 if unknown. Use it for logs only: it may already belong
	// to another process.
	PID int32
	// Groups are its supplementary groups when it connected.
	Groups []uint32
}

// String describes the peer for a log.
func (p Peer) String() string { return fmt.Sprintf("uid %d, pid %d", p.UID, p.PID) }

// in reports whether the peer is a member of one of the groups.
func (p *Peer) in(gids []uint32) bool {
	if slices.Contains(gids, p.GID) {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(gid uint32) bool { return slices.Contains(gids, gid) })
}
