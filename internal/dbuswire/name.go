package dbuswire

import (
	"context"
	"fmt"
	"os"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
)

// ownName owns the service's name. If another process has it, the error says which.
func (c *Conn) ownName(ctx context.Context) error {
	var reply uint32
	err := c.askBus(ctx, "RequestName", []any{c.service.o.Name, uint32(godbus.NameFlagDoNotQueue)}, &reply)
	var refused godbus.Error
	switch {
	case errors.As(err, &refused) && refused.Name == ErrAccessDenied:
		return errors.Errorf("cannot own the name %s: the policy of the bus does not allow it to this user (%s); "+
			"install a policy file for it in /usr/share/dbus-1/system.d", c.service.o.Name, refused.Error())
	case err != nil:
		return errors.Wrapf(err, "cannot own the name %s", c.service.o.Name)
	case godbus.RequestNameReply(reply) == godbus.RequestNameReplyPrimaryOwner,
		godbus.RequestNameReply(reply) == godbus.RequestNameReplyAlreadyOwner:
		return nil
	}
	return errors.Errorf("cannot own the name %s: %s has it; stop that, or serve another bus", c.service.o.Name, c.owner(ctx))
}

// Leave gives the name on the bus back, and returns when every earlier call has its
// reply. For later calls the bus starts the service again, if it is activatable. It
// cannot be undone.
func (s *Service) Leave(ctx context.Context) {
	if c := s.current.Load(); c != nil {
		c.giveNameBack(ctx)
	}
}

// giveNameBack gives the name back. The bus sends its reply after the last call that it
// has sent to that name.
func (c *Conn) giveNameBack(ctx context.Context) {
	none := make(chan struct{})
	c.mu.Lock()
	if c.leaving != nil {
		c.mu.Unlock()
		return
	}
	c.leaving = none
	c.mu.Unlock()
	var result uint32
	if err := c.askBus(ctx, "ReleaseName", []any{c.service.o.Name}, &result); err != nil {
		return // the connection is lost, and so are its callers
	}
	c.mu.Lock()
	c.released = true
	c.endLeaving()
	c.mu.Unlock()
	select {
	case <-none:
	case <-c.life.Done():
	case <-ctx.Done():
	}
}

// endLeaving closes leaving if no calls are left once the name has been given back. It
// is called with the lock held.
func (c *Conn) endLeaving() {
	if c.released && c.calls == 0 && !c.left {
		c.left = true
		close(c.leaving)
	}
}

func (c *Conn) isLeaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving != nil
}

// owner describes the process that has our name.
func (c *Conn) owner(ctx context.Context) string {
	var unique string
	if err := c.askBus(ctx, "GetNameOwner", []any{c.service.o.Name}, &unique); err != nil {
		return "another connection"
	}
	peer, err := c.credentials(ctx, unique)
	if err != nil || peer.PID == 0 {
		return "connection " + unique
	}
	text := fmt.Sprintf("process %d of uid %d", peer.PID, peer.UID)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", peer.PID)); err == nil {
		text += " (" + exe + ")"
	}
	return text + ", connection " + unique + ","
}
