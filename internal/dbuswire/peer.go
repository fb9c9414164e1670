package dbuswire

import (
	"context"
	"math"
	"sync/atomic"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
)

// Credentials are what the bus reports about the process at the other end of a
// connection.
type Credentials struct {
	// UID and GID are its effective user and group. D-Bus does not report a GID, and
	// some buses not the user: then they are 65534 and 4294967295, which match nothing.
	UID, GID uint32
	// PID is its process ID, 0 if unknown. Use it for logs only: it may already belong
	// to another process.
	PID int32
	// Groups are its groups.
	Groups []uint32
}

// Peer is another connection to the bus, from its first call until it leaves. Its calls
// are handled one at a time by a goroutine that runs only while there are calls. Its
// methods are safe for concurrent use.
type Peer struct {
	conn   *Conn
	name   string // unique name
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Set once it has been identified. Only the goroutine that handles calls uses
	// these.
	identified bool
	Credentials
	trusted bool
	account uint32 // the user to which its calls are counted

	// unacked is how many bytes of signals it was sent since the last ping.
	unacked atomic.Int64

	// Guarded by conn.mu.
	user    *user // Conn.strangers until it is identified
	queue   []*Call
	busy    bool // a goroutine handles calls
	gone    bool // it has left the bus
	memory  int  // of its calls, in bytes
	waiting int  // calls waiting or being handled
	pings   int  // sent to it and not answered yet
	noPings bool // the policy of the bus does not allow pings to it
}

// Name returns the unique name of the peer.
func (p *Peer) Name() string { return p.name }

// Context is done when the peer has left the bus, its connection ends, or the
// service stops; its cause is ErrGone, ErrLost or ErrStopping.
func (p *Peer) Context() context.Context { return p.ctx }

// Conn returns the connection through which the peer is reached.
func (p *Peer) Conn() *Conn { return p.conn }

// peer returns the peer with a name, and adds it if it is new. It is called with the
// lock held.
func (c *Conn) peer(name string) *Peer {
	p := c.peers[name]
	if p == nil {
		p = &Peer{conn: c, name: name, user: &c.strangers}
		p.ctx, p.cancel = context.WithCancelCause(c.ctx)
		c.peers[name] = p
	}
	return p
}

// leave removes a peer that has left the bus, and ends everything it had.
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

// identify asks the bus for the peer's credentials, once.
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

// The values for what the bus does not report: what the kernel shows for a user without
// an ID, and a group that no user has.
const (
	unknownUID = 65534
	unknownGID = math.MaxUint32
)

// credentials asks the bus for the owner of a unique name.
func (c *Conn) credentials(ctx context.Context, unique string) (Credentials, error) {
	who := Credentials{UID: unknownUID, GID: unknownGID}
	var said map[string]godbus.Variant
	if err := c.askBus(ctx, "GetConnectionCredentials", []any{unique}, &said); err != nil {
		return who, errors.Wrap(err, "cannot identify the caller")
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
