package dbuswire

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// Conn is one connection to a bus.
type Conn struct {
	service   *Service
	transport *transport
	bus       *godbus.Conn // for calls to the bus itself
	unique    string       // the service's unique name on it
	session   bool         // it is the session bus of the service's own user

	life       context.Context // ends with the connection
	cancel     context.CancelCauseFunc
	ctx        context.Context // ends with life, or when the service stops
	goroutines sync.WaitGroup
	refusals   refusals
	slots      chan struct{} // one element for each call being handled

	mu        sync.Mutex
	closing   bool             // new calls are refused
	peers     map[string]*Peer // by unique name
	users     map[uint32]*user
	strangers user // peers not identified yet
	calls     int  // calls waiting or being handled
	memory    int  // bytes that they take
	pings     pings
	leaving   chan struct{} // set by giveNameBack, nil: the name is kept; closed when the last call has its reply
	released  bool          // the bus has taken the name back
	left      bool          // leaving is closed
}

// connect connects to the bus and says Hello.
func (s *Service) connect(began context.Context) (*Conn, error) {
	address, err := busAddress(s.o.Bus)
	if err != nil {
		return nil, err
	}
	sock, err := dial(address)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		service: s, transport: newTransport(sock), slots: make(chan struct{}, limits.CallsAtOnce),
		peers: make(map[string]*Peer), users: make(map[uint32]*user), pings: pings{open: make(map[uint32]ping)},
	}
	c.life, c.cancel = context.WithCancelCause(context.Background())
	ctx, stop := context.WithCancelCause(c.life)
	c.ctx = ctx
	unlink := context.AfterFunc(s.base, func() { stop(ErrStopping) })
	context.AfterFunc(c.life, func() { unlink(); stop(ErrLost) })
	c.transport.call, c.transport.tooLong, c.transport.answer = c.arrive, c.refuseLong, c.answered
	c.refusals.changed = make(chan struct{}, 1)
	c.session = c.isOwnSession(address)
	if err := c.hello(began); err != nil {
		c.close()
		return nil, err
	}
	c.goroutines.Go(c.sendRefusals)
	return c, nil
}

// Unique returns the service's unique name on the bus.
func (c *Conn) Unique() string { return c.unique }

// Context is done when the connection ends, or the service stops.
func (c *Conn) Context() context.Context { return c.ctx }

// Lost is closed when the connection ends.
func (c *Conn) Lost() <-chan struct{} { return c.life.Done() }

// IsSession reports whether the bus is the session bus of the service's own user, on
// which no other user can listen.
func (c *Conn) IsSession() bool { return c.session }

// PassesFiles reports whether descriptors can be sent.
func (c *Conn) PassesFiles() bool { return c.transport.passesFiles }

// Serial returns the serial of the next message to be sent.
func (c *Conn) Serial() uint32 { return c.transport.GetSerial() }

// Send writes complete messages.
func (c *Conn) Send(messages []byte) error { return c.transport.send(messages) }

// Go runs a function in a goroutine that the connection waits for when it ends.
func (c *Conn) Go(f func()) { c.goroutines.Go(f) }

// isOwnSession computes IsSession. A system bus that the environment names as a session
// bus, as in some containers, does not count.
func (c *Conn) isOwnSession(address string) bool {
	if !isNamedSession(c.service.o.Bus, address) || isSystem(c.transport.sock.RemoteAddr().String()) {
		return false
	}
	raw, err := c.transport.sock.SyscallConn()
	if err != nil {
		return false
	}
	own := false
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		own = err == nil && int(cred.Uid) == os.Geteuid()
	})
	return own
}

// hello registers with the bus. The timeout stays until the name is owned.
func (c *Conn) hello(ctx context.Context) (err error) {
	t := c.transport
	t.setTimeout(limits.BusTimeout)
	stop := context.AfterFunc(ctx, func() { _ = t.Close() })
	defer stop()
	c.bus, err = godbus.NewConn(t, godbus.WithContext(c.life), godbus.WithSignalHandler(c), godbus.WithSerialGenerator(t))
	if err != nil {
		return errors.Wrap(err, "cannot use the bus")
	}
	// godbus ends this context when it can no longer read.
	context.AfterFunc(c.bus.Context(), func() { c.cancel(ErrLost) })
	if err := c.bus.Auth([]godbus.Auth{godbus.AuthExternal(fmt.Sprint(os.Geteuid()))}); err != nil {
		return errors.Wrap(err, "cannot authenticate with the bus")
	}
	if err := c.bus.Hello(); err != nil {
		return errors.Wrap(err, "cannot register with the bus")
	}
	c.unique = c.bus.Names()[0]
	// When a peer leaves the bus, its name loses its owner.
	const leaving = "type='signal',sender='" + busName + "',path='/org/freedesktop/DBus',interface='" + busName +
		"',member='NameOwnerChanged',arg2=''"
	if err := c.askBus(ctx, "AddMatch", []any{leaving}); err != nil {
		return errors.Wrap(err, "cannot watch for peers that leave the bus")
	}
	return nil
}

// askBus calls a method of the bus itself, whose replies are trusted.
func (c *Conn) askBus(ctx context.Context, method string, in []any, out ...any) error {
	ctx, cancel := context.WithTimeout(ctx, limits.BusTimeout)
	defer cancel()
	return c.bus.BusObject().CallWithContext(ctx, busName+"."+method, 0, in...).Store(out...)
}

// DeliverSignal is called by godbus, in the reading goroutine, for each signal of the
// bus itself, in order with the calls.
func (c *Conn) DeliverSignal(iface, member string, s *godbus.Signal) {
	if iface != busName {
		return
	}
	switch member {
	case "NameOwnerChanged":
		var name, before, after string
		if godbus.Store(s.Body, &name, &before, &after) == nil && after == "" && strings.HasPrefix(name, ":") {
			c.leave(name)
		}
	case "NameLost":
		var name string
		if godbus.Store(s.Body, &name) == nil && name == c.service.o.Name && !c.isLeaving() {
			c.cancel(ErrLost)
		}
	}
}

// end ends everything cleanly. First the name is given back, and earlier calls get
// their reply, within limits.ShutdownGrace. Then, within as long again, subscribers are
// notified, and later calls are refused.
func (c *Conn) end() {
	c.transport.setTimeout(limits.ShutdownGrace)
	ctx, cancel := context.WithTimeout(context.Background(), limits.ShutdownGrace)
	c.giveNameBack(ctx)
	cancel()
	c.shut()
	c.service.cancel(ErrStopping)
	ctx, cancel = context.WithTimeout(context.Background(), limits.ShutdownGrace)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		c.goroutines.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		c.flushRefusals()
	case <-ctx.Done():
	}
}

// close closes the connection and waits for its goroutines.
func (c *Conn) close() {
	c.shut()
	c.cancel(ErrLost)
	if c.bus != nil {
		_ = c.bus.Close()
	}
	_ = c.transport.Close()
	c.goroutines.Wait()
}

// shut makes new calls be refused.
func (c *Conn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
}
