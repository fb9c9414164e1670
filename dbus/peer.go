package dbus

import (
	"context"
	"math"
	"sync/atomic"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
)

// peer is a connection of somebody else to the bus, from its first call until
// it leaves. Its calls are handled one after the other by one goroutine, which
// there is only as long as there are calls.
type peer struct {
	name   string // unique name
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Known once it has been identified. Only the goroutine that handles calls
	// looks at these.
	identified bool
	access.Peer
	trusted bool

	// unproven is how many bytes of signals it was sent since it was last asked
	// whether it reads.
	unproven atomic.Int64

	// Below conn.mu.
	user          *user // conn.strangers until it has been identified
	queue         []*call
	busy          bool // a goroutine handles calls
	gone          bool // it has left the bus
	memory        int  // of its calls, in bytes
	waiting       int  // calls that wait or are worked on
	subscriptions map[string]*subscription
	questions     int  // to it that have no answer yet
	noPings       bool // the policy of the bus does not let us ask whether it reads
}

// errGone is why the calls of a peer end that has left the bus.
var errGone = errors.New("the caller is no longer on the bus")

// peer returns the peer of a name, and makes it known if it is new. It is called
// with the lock held.
func (c *conn) peer(name string) *peer {
	p := c.peers[name]
	if p == nil {
		p = &peer{name: name, user: &c.strangers, subscriptions: make(map[string]*subscription)}
		p.ctx, p.cancel = context.WithCancelCause(c.ctx)
		c.peers[name] = p
	}
	return p
}

// leave forgets a peer that is no longer on the bus, and ends what it had.
func (c *conn) leave(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[name]
	if p == nil {
		return
	}
	delete(c.peers, name)
	p.gone = true
	p.cancel(errGone)
	c.dropQuestions(p)
	c.release(p)
}

// identify asks the bus who the peer is, once.
func (c *conn) identify(p *peer) error {
	if p.identified {
		return nil
	}
	who, err := c.credentials(p.ctx, p.name)
	if err != nil {
		return err
	}
	p.Peer, p.identified = who, true
	p.trusted = c.server.access.IsTrusted(&p.Peer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move(p)
	return nil
}

// The values for what the bus does not say: what the kernel shows for a user it
// cannot name, and a group that nobody has.
const (
	unknownUID = 65534
	unknownGID = math.MaxUint32
)

// credentials asks the bus who owns a unique name.
func (c *conn) credentials(ctx context.Context, unique string) (access.Peer, error) {
	who := access.Peer{UID: unknownUID, GID: unknownGID}
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
