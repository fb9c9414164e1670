package varlinkwire

import (
	"context"
	"net"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink"
)

// The causes (context.Cause) with which the context of a watched call ends.
var (
	// ErrGone is the cause when the client has disconnected.
	ErrGone = errors.New("the client is gone")
	// ErrStopping is the cause when the service stops.
	ErrStopping = errors.New("the service is stopping")
)

// Call is a call while it is handled. Only the goroutine that handles it may use it.
type Call struct {
	conn    *conn
	method  string // including the interface
	more    bool
	oneway  bool
	isLater bool // it is answered together with others
	replied bool // at least the first byte of a reply was sent
}

// CallOf returns the Call behind the varlink.Call that a handler gets, as its Conn.
func CallOf(c varlink.ReadWriterContext) *Call { return c.(*Call) }

// Peer returns the peer that calls.
func (c *Call) Peer() *Peer { return &c.conn.peer }

// ReadOnly reports whether this connection refuses writes.
func (c *Call) ReadOnly() bool { return c.conn.readOnly }

// More reports whether the client accepts more than one reply.
func (c *Call) More() bool { return c.more }

// Oneway reports whether the client accepts no reply. What is written is then not sent.
func (c *Call) Oneway() bool { return c.oneway }

// Watch is for calls that may last. It returns a context that ends with ErrGone as its
// cause when the client disconnects, and with ErrStopping when the service stops: then
// the handler should send a last reply that says so, within limits.ShutdownGrace. Call
// stop when the call is over. A call can be watched once.
func (c *Call) Watch(ctx context.Context) (watched context.Context, stop func(), err error) {
	return c.conn.watch(ctx)
}

// WriteFrames sends complete frames, each with its NUL, in one write if the client
// reads fast enough. It consumes the slice, but does not change the bytes. After an
// error the connection is unusable: the handler has to return the error.
func (c *Call) WriteFrames(frames net.Buffers) error {
	if c.oneway {
		return nil
	}
	if err := c.conn.endLater(); err != nil {
		return err
	}
	c.replied = true
	return c.conn.out.write(frames)
}

// WriteFrame sends one complete frame.
func (c *Call) WriteFrame(frame []byte) error {
	if c.oneway {
		return nil
	}
	if err := c.conn.endLater(); err != nil {
		return err
	}
	c.replied = true
	return c.conn.out.writeOne(frame)
}

// Widen makes the client's socket hold limits.WideSocket unread bytes, or what it held
// before. A reply of many frames is sent faster then: while the client reads one, the
// next is made. It should be narrow again before the last frame is sent, so that sockets
// hold as much only as long as replies are under way.
func (c *Call) Widen(wide bool) { c.conn.widen(wide) }

// ReplyError sends an error reply. Unlike varlink/go's ReplyError, it also sends those
// of org.varlink.service. parameters is a struct for encoding/json, or nil.
func (c *Call) ReplyError(name string, parameters any) error {
	return c.Reply(&Fault{name, parameters})
}

// Reply sends a fault as an error reply.
func (c *Call) Reply(f *Fault) error {
	frame, err := f.frame()
	if err != nil {
		return errors.Wrapf(err, "cannot encode error %s", f.Name)
	}
	return c.WriteFrame(frame)
}

// Write sends a frame that varlink/go has encoded.
func (c *Call) Write(_ context.Context, frame []byte) (int, error) {
	if err := c.WriteFrame(frame); err != nil {
		return 0, err
	}
	return len(frame), nil
}

var errNoReading = errors.New("cannot read from the connection within a call")

// Read exists because varlink/go needs it for upgraded connections, which are never
// used.
func (c *Call) Read(context.Context, []byte) (int, error) { return 0, errNoReading }

// ReadBytes exists for the same reason as Read.
func (c *Call) ReadBytes(context.Context, byte) ([]byte, error) { return nil, errNoReading }
