package varlinkwire

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// conn is a connection. One goroutine reads its calls, handles them in sequence, and
// writes the replies.
type conn struct {
	server   *Server
	sock     *net.UnixConn
	peer     Peer
	readOnly bool
	account  uint32 // the user to which its use of bounds is counted
	trusted  bool   // exempt from the bounds that protect users from each other
	in       frameReader
	out      frameWriter
	later    later
	narrow   int // the usual size of the socket's buffer while it is wide, else 0

	stopAt atomic.Pointer[time.Time] // set when the connection has to end: until when it may write

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the watched call, nil if there is none
}

func (s *Server) newConn(sock *net.UnixConn, readOnly bool) (*conn, error) {
	peer, err := s.options.Identify(sock)
	if err != nil {
		return nil, err
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, errors.Wrap(err, "cannot use the connection")
	}
	c := &conn{
		server: s, sock: sock, peer: peer, readOnly: readOnly, trusted: s.options.IsTrusted(&peer), account: s.options.Account(&peer),
	}
	c.in = frameReader{sock: sock, raw: raw, first: true, most: int(s.bounds.requestSize.Load()), timeout: s.options.RequestTimeout, reserve: c.reserve, stopping: c.isStopping, drained: c.endLater}
	c.in.fillFunc = c.in.fill
	c.out = frameWriter{raw: raw, startClock: c.startWriteClock, stopClock: c.stopWriteClock}
	c.out.flushFunc = c.out.flush
	return c, nil
}

// widen changes how much the socket holds. If it cannot, writes just wait more often.
func (c *conn) widen(wide bool) {
	switch {
	case wide == (c.narrow > 0):
	case wide:
		_ = c.out.raw.Control(func(fd uintptr) { c.narrow, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) })
		_ = c.sock.SetWriteBuffer(limits.WideSocket)
	default:
		_ = c.sock.SetWriteBuffer(c.narrow / 2) // the kernel doubles what it is given
		c.narrow = 0
	}
}

// serve handles calls until the client is done or disconnects, sends something that is
// not a call, or the service stops.
func (c *conn) serve() {
	defer func() { _ = c.endLater() }() // answer what was asked, whatever came after it
	for !c.isStopping() {
		frame, err := c.in.next()
		if err != nil {
			c.endOfRequests(err)
			return
		}
		request, err := parseRequest(frame)
		if err != nil {
			c.debug("a frame is not a call", err)
			return
		}
		if err := c.handle(&request); err != nil {
			c.debug("a call ended the connection", err)
			return
		}
	}
}

// endOfRequests sends the client the reason why no more requests are read, if the
// client can understand it.
func (c *conn) endOfRequests(err error) {
	call := &Call{conn: c}
	var foreign foreignError
	switch {
	case errors.Is(err, errTooLong):
		_ = call.Reply(InvalidParameter(memberParameters))
	case errors.As(err, &foreign):
		_ = c.out.writeOne([]byte(foreign))
	case errors.Is(err, errNoMemory):
		_ = call.Reply(c.server.unavailable("", "your user has too many long requests unfinished; finish or close some"))
	case errors.Is(err, io.EOF):
		return
	}
	c.debug("reading ended", err)
}

// handle answers one call. After an error the connection has to end.
func (c *conn) handle(r *request) error {
	call := &Call{conn: c, more: r.more, oneway: r.oneway}
	if r.method != c.later.method {
		if err := c.endLater(); err != nil {
			return err
		}
	}
	if r.fault != nil {
		return call.Reply(r.fault)
	}
	iface, method := r.split()
	if iface == serviceInterface {
		return c.server.handleService(call, r, method)
	}
	served := c.server.interfaces[iface]
	if served == nil {
		return call.Reply(interfaceNotFound(iface))
	}
	if f := served.refuse(call, r, method); f != nil {
		return call.Reply(f)
	}
	return c.dispatch(served, call, r)
}

// refuse returns what is wrong with a call before its handler gets it, nil if nothing
// is.
func (i *served) refuse(call *Call, r *request, method string) *Fault {
	m, ok := i.schema.methods[method]
	switch {
	case !ok && i.IsPartOfMore:
		return methodNotImplemented(r.method)
	case !ok:
		return methodNotFound(r.method)
	case r.upgrade: // no method does that
		return InvalidParameter(memberUpgrade)
	case m.needsMore && !r.more:
		return expectedMore
	}
	if i.Admit != nil {
		if err := i.Admit(call, method); err != nil {
			return PermissionDenied
		}
	}
	if field, ok := i.schema.check(m, r.parameters); !ok {
		return InvalidParameter(field)
	}
	return nil
}

// dispatch lets the handler answer, now or together with others. If the handler panics,
// or sends no reply to a client that waits for one, the call is answered here.
func (c *conn) dispatch(served *served, call *Call, r *request) error {
	call.method = r.method
	_, method := r.split()
	in := served.libraryCall(call, r)
	return c.guard(func() error { return served.VarlinkDispatch(c.server.base, in, method) }, call)
}

// guard calls a function that answers calls of one method, and answers those that it
// has not answered.
func (c *conn) guard(answer func() error, calls ...*Call) error {
	method := calls[0].method
	var err error
	panicked := c.server.options.Guard(method, &c.peer, func() { err = answer() })
	if err != nil && !panicked {
		return err
	}
	for _, call := range calls {
		switch {
		case panicked && (call.replied || call.oneway):
			return errPanicked
		case call.replied || call.oneway || call.isLater:
			continue
		case !panicked:
			c.server.log.Error("a call was not answered", "method", method)
		}
		iface, _ := (&request{method: method}).split()
		if err := call.Reply(c.server.unavailable(iface, failedReason)); err != nil {
			return err
		}
	}
	return nil
}

// failedReason is the reason sent when a handler panicked.
const failedReason = "the service failed on this call; its log says more"

// errPanicked is why a connection ends whose client got part of a reply.
var errPanicked = errors.New("the handler panicked")

// watch returns a context that ends when the client disconnects or the service stops. It
// frees the memory of the request: the parameters have been decoded.
func (c *conn) watch(ctx context.Context) (context.Context, func(), error) {
	c.in.release()
	ctx, cancel := context.WithCancelCause(ctx)
	token, err := c.server.watcher.add(c.in.raw, func() { cancel(ErrGone) })
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	c.setCancel(cancel)
	return ctx, func() {
		c.setCancel(nil)
		c.server.watcher.remove(c.in.raw, token)
		cancel(context.Canceled)
	}, nil
}

func (c *conn) setCancel(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	if cancel != nil && c.isStopping() {
		cancel(ErrStopping)
	}
}

// isStopping reports whether the connection has to end.
func (c *conn) isStopping() bool { return c.stopAt.Load() != nil }

// stop ends the connection cleanly: a watched call is notified, any other call is
// finished, and without a call the connection is closed. The client has until the
// deadline to read what it is sent.
func (c *conn) stop(deadline time.Time) {
	c.stopAt.CompareAndSwap(nil, &deadline)
	c.mu.Lock()
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(ErrStopping)
	}
	_ = c.sock.SetReadDeadline(longAgo)
	_ = c.sock.SetWriteDeadline(c.writeDeadline())
}

// writeDeadline returns until when the client has to read something.
func (c *conn) writeDeadline() time.Time {
	deadline := time.Now().Add(time.Duration(c.server.bounds.writeTimeout.Load()))
	if stop := c.stopAt.Load(); stop != nil && stop.Before(deadline) {
		return *stop
	}
	return deadline
}

func (c *conn) startWriteClock() {
	deadline := c.writeDeadline()
	_ = c.sock.SetWriteDeadline(deadline)
	// stop may have set an earlier one meanwhile.
	if now := c.writeDeadline(); now.Before(deadline) {
		_ = c.sock.SetWriteDeadline(now)
	}
}

func (c *conn) stopWriteClock() {
	if !c.isStopping() {
		_ = c.sock.SetWriteDeadline(time.Time{})
		if c.isStopping() {
			_ = c.sock.SetWriteDeadline(c.writeDeadline())
		}
	}
}

// reserve reserves memory for a long request, or releases it.
func (c *conn) reserve(n int) bool {
	return c.trusted || c.server.admission.reserve(c.account, n)
}

func (c *conn) debug(message string, err error) {
	c.server.log.Debug(message, "uid", c.peer.UID, "pid", c.peer.PID, "error", err)
}
