package varlinkwire

import (
	"context"
	"net"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink"
)

// The causes (context.Cause) for which the context of a watched call ends.
var (
	// ErrGone is the cause when the client is no longer there.
	ErrGone = errors.New("the client is gone")
	// ErrStopping is the cause when the service stops.
	ErrStopping = errors.New("the service is stopping")
)

// Call is a call while it is handled. It belongs to the goroutine that handles
// it.
type Call struct {
	conn    *conn
	method  string // with its interface
	more    bool
	oneway  bool
	isLater bool // it is answered with others
	replied bool // at least the first byte of a reply is on its way
}

// CallOf returns the call that a handler was given: its varlink.Call has it as
// Conn.
func CallOf(c varlink.ReadWriterContext) *Call { return c.(*Call) }

// Peer is the peer that calls.
func (c *Call) Peer() *Peer { return &c.conn.peer }

// ReadOnly reports whether no events may be written through this connection.
func (c *Call) ReadOnly() bool { return c.conn.readOnly }

// More reports whether the client takes more than one reply.
func (c *Call) More() bool { return c.more }

// Oneway reports whether the client takes no reply. Nothing that is written is
// sent then.
func (c *Call) Oneway() bool { return c.oneway }

// Watch is for calls that may last. It returns a context that ends when the
// client is gone, with ErrGone as its cause, and when the service stops, with
// ErrStopping: then the client should get a last reply that says so, within
// limits.ShutdownGrace. stop has to be called when the call is over. A call is watched
// once.
func (c *Call) Watch(ctx context.Context) (watched context.Context, stop func(), err error) {
	return c.conn.watch(ctx)
}

// WriteFrames sends frames that are ready, each with its NUL, in one write if
// the client takes them as fast. It consumes the slice, and leaves the bytes
// alone. An error means that the connection is of no use any more: the handler
// has to return it.
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

// WriteFrame sends one frame that is ready.
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

// ReplyError sends an error reply, also one of org.varlink.service, which
// varlink/go's own ReplyError refuses. The parameters are a struct for
// encoding/json, or nil.
func (c *Call) ReplyError(name string, parameters any) error {
	return c.Reply(&Fault{name, parameters})
}

// Reply sends an error reply, as ReplyError.
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

// Read is there for varlink/go, which needs it for upgraded connections only:
// there are none.
func (c *Call) Read(context.Context, []byte) (int, error) { return 0, errNoReading }

// ReadBytes is there for the same reason as Read.
func (c *Call) ReadBytes(context.Context, byte) ([]byte, error) { return nil, errNoReading }
