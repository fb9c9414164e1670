package client

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// Dialer makes a connection to the service.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client calls the service at one address. It connects when it is first used,
// keeps at most one idle connection, and is safe for concurrent use.
type Client struct {
	address string
	source  string // what the address is; "": asked for by name
	dial    Dialer

	mu     sync.Mutex
	idle   *conn
	closed bool
}

// New returns a client of the service at the address: unix:PATH, a path, or
// ssh-exec:HOST[:COMMAND], which runs COMMAND (eventsvc bridge) on that host.
// An empty address is DefaultAddress.
func New(address string) (*Client, error) {
	source := ""
	if address == "" {
		address, source = defaultAddress()
	}
	dial, err := dialer(address)
	if err != nil {
		return nil, fmt.Errorf("cannot use address %q: %w", address, err)
	}
	return &Client{address: address, source: source, dial: dial}, nil
}

// NewDialer returns a client of the service that dial connects to. The address is only
// used in messages.
func NewDialer(address string, dial Dialer) *Client { return &Client{address: address, dial: dial} }

// Dial connects to the service at the address, in the forms that New accepts, for a
// program that speaks Varlink itself. The connection has a CloseWrite.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := New(address)
	if err != nil {
		return nil, err
	}
	cn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return cn.Conn, nil
}

// Address returns the address of the service.
func (c *Client) Address() string { return c.address }

// AddressSource describes a default address in a few words: the system's service, this
// user's, or that of EVENTSVC_ADDRESS. It is empty for an address that was given.
func (c *Client) AddressSource() string { return c.source }

// Close closes the idle connection. Subscriptions and histories have their own
// connections, which stay open.
func (c *Client) Close() error {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	if idle != nil {
		return idle.Close()
	}
	return nil
}

// connect makes a connection.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	nc, err := c.dial(ctx)
	if err != nil {
		if done := ctx.Err(); done != nil {
			return nil, done
		}
		return nil, &ConnectionError{Address: c.address, Source: c.source, Err: err}
	}
	return newConn(nc, c.address), nil
}

// takeIdle returns the idle connection, nil if there is none that works.
func (c *Client) takeIdle() *conn {
	c.mu.Lock()
	cn := c.idle
	c.idle = nil
	c.mu.Unlock()
	if cn != nil && !cn.isIdle() {
		_ = cn.Close()
		return nil
	}
	return cn
}

func (c *Client) putIdle(cn *conn) {
	c.mu.Lock()
	keep := c.idle == nil && !c.closed
	if keep {
		c.idle = cn
	}
	c.mu.Unlock()
	if !keep {
		_ = cn.Close()
	}
}

// call makes a call that has one reply. If the idle connection turns out to be broken,
// a call that only reads is repeated.
func (c *Client) call(ctx context.Context, method string, parameters any, into payload, reads bool) error {
	if cn := c.takeIdle(); cn != nil {
		usable, err := cn.call(ctx, method, parameters, into)
		if usable {
			c.putIdle(cn)
			return err
		}
		_ = cn.Close()
		if !reads || !isLost(err) {
			return err
		}
	}
	cn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	usable, err := cn.call(ctx, method, parameters, into)
	if usable {
		c.putIdle(cn)
	} else {
		_ = cn.Close()
	}
	return err
}

// GetLastEvent returns the newest event that passes the filters, in the order of the
// store; the error is events.ErrEventNotFound if there is none. It is an event of the
// caller's own uid unless a filter selects users; uid=* selects all that the caller may
// read.
func (c *Client) GetLastEvent(ctx context.Context, filters ...string) (events.Event, error) {
	parameters := struct {
		Filters []string `json:"filters,omitempty"`
	}{filters}
	var reply struct{ Event iopodmanevents.Event }
	if err := c.call(ctx, "GetLastEvent", parameters, simple{&reply}, true); err != nil {
		return events.Event{}, err
	}
	return fromWire(&reply.Event)
}

// WriteEvent writes an event to the store and returns its cursor once it is stored. An
// event without time gets the current one, by the service's clock. UID, Host and Cursor
// are set by the store, and ignored here. For an event that cannot be written as it is,
// the error is an *events.FieldError.
//
// If the connection breaks during the call, it is unknown whether the event was
// written: the error is then a *ConnectionError with Lost set.
func (c *Client) WriteEvent(ctx context.Context, e events.Event) (cursor string, err error) {
	wire, err := toWire(&e)
	if err != nil {
		return "", err
	}
	parameters := struct {
		Event iopodmanevents.NewEvent `json:"event"`
	}{wire}
	var reply struct{ Cursor string }
	err = c.call(ctx, "WriteEvent", parameters, simple{&reply}, false)
	return reply.Cursor, err
}
