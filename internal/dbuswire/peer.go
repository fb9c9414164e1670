package dbuswire

import (
	"context"
	"math"
	"sync/atomic"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
)

// Credentials are what the bus says of the process at the other end of a
// connection.
type Credentials struct {
	// UID and GID are its effective user and group. D-Bus has no GID, and some
	// buses cannot name the user: then they are 65534 and 4294967295, so that
	// nothing matches.
	UID, GID uint32
	// PID is its process ID, 0 if it is not known. It is for logs only: by the
	// time it is read it may belong to another process.
	PID int32
	// Groups are its groups.
	Groups []uint32
}

// Peer is another connection to the bus, from its first call until it leaves.
// Its calls are handled one after the other by one goroutine, which runs only
// while there are calls. Its methods are safe for concurrent use.
type Peer struct {
	conn   *Conn
	name   string // unique name
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Known once it has been identified. Only the goroutine that handles calls
	// looks at these.
	identified bool
	Credentials
	trusted bool
	account uint32 // the user to whom its calls are counted

	// unacked is how many bytes of signals it was sent since the last ping.
	unacked atomic.Int64

	// Below conn.mu.
	user    *user // Conn.strangers until it has been identified
	queue   []*Call
	busy    bool // a goroutine handles calls
	gone    bool // it has left the bus
	memory  int  // of its calls, in bytes
	waiting int  // calls that wait or are worked on
	pings   int  // to it that have no answer yet
	noPings bool // the policy of the bus does not let us ping it
}

// Name returns the unique name of the peer.
func (p *Peer) Name() string { return p.name }

// Context is done when the peer has left the bus, its connection ends, or the
// service stops; its cause is ErrGone, ErrLost or ErrStopping.
func (p *Peer) Context() context.Context { return p.ctx }

// Conn returns the connection that the peer is reached over.
func (p *Peer) Conn() *Conn { return p.conn }

// peer returns the peer of a name, and makes it known if it is new. It is called
// with the lock held.
func (c *Conn) peer(name string) *Peer {
	p := c.peers[name]
	if p == nil {
		p = &Peer{conn: c, name: name, user: &c.strangers}
		p.ctx, p.cancel = context.WithCancelCause(c.ctx)
		c.peers[name] = p
	}
	return p
}

// leave forgets a peer that is no longer on the bus, and ends what it had.
func (c *Conn) leave(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[name]
	if p == nil {
		return
	}
	delete(c.peers, name)
	p.gone = true
	p.cancel(ErrGone)
	c.dropPings(p)
	c.release(p)
}

// identify asks the bus who the peer is, once.
func (c *Conn) identify(p *Peer) error {
	if p.identified {
		return nil
	}
	who, err := c.credentials(p.ctx, p.name)
	if err != nil {
		return err
	}
	p.Credentials, p.identified = who, true
	p.trusted, p.account = c.service.o.IsTrusted(p), c.service.o.Account(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move(p)
	return nil
}

// The values for what the bus does not say: what the kernel shows for a user it
// cannot name, and a group that no user has.
const (
	unknownUID = 65534
	unknownGID = math.MaxUint32
)

// credentials asks the bus who owns a unique name.
func (c *Conn) credentials(ctx context.Context, unique string) (Credentials, error) {
	who := Credentials{UID: unknownUID, GID: unknownGID}
	var said map[string]godbus.Variant
	if err := c.askBus(ctx, "GetConnectionCredentials", []any{unique}, &said); err != nil {
		return who, errors.Wrap(err, "cannot learn who the caller is")
	}
	if uid, ok := said["UnixUserID"].Value().(uint32); ok {
		who.UID = uid
	}
	if pid, ok := said["ProcessID"].Value().(uint32); ok {
		who.PID = int32(pid)
	}
	if groups, ok := said["UnixGroupIDs"].Value().([]uint32); ok {
		who.Groups = groups
	}
	return who, nil
}
