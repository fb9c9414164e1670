package varlinkwire

import (
	"context"
	"net"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// Serve accepts connections on a listener until the context is done or Shutdown
// is called; then it closes the listener, which removes its file, and returns
// nil. It may be called for several listeners at once. Connections outlive it:
// Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l *Listener) error {
	if !s.begin(l) {
		_ = l.Close()
		return nil
	}
	defer s.end(l)
	unblock := context.AfterFunc(ctx, l.interrupt)
	defer unblock()
	err := s.accept(ctx, l)
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	return err
}

// interrupt stops the accepting of connections, now and from now on.
func (l *Listener) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupted = true
	_ = l.sock.SetDeadline(longAgo)
}

// accept accepts connections. When the process or the kernel runs out of something it
// retries; clients wait in the backlog meanwhile.
func (s *Server) accept(ctx context.Context, l *Listener) error {
	var failures int
	var pause time.Duration
	for {
		if err := s.waitWhilePaused(ctx, l); err != nil {
			return err
		}
		sock, err := l.sock.AcceptUnix()
		switch {
		case ctx.Err() != nil || s.isStopping():
			if err == nil {
				_ = sock.Close()
			}
			return nil
		case err != nil && s.isPaused():
			continue
		case errors.Is(err, net.ErrClosed):
			return errors.Wrapf(err, "cannot accept connections on %s", l.Address())
		case err != nil:
			failures++
			next := min(max(2*pause, limits.AcceptFirstPause), limits.AcceptLongestPause)
			if next != pause {
				s.log.Warn("cannot accept connections now", "listener", l.Address(), "error", err, "retryIn", next)
			}
			pause = next
			s.wait(ctx, pause)
			continue
		}
		if failures > 0 {
			s.log.Info("accepting connections again", "listener", l.Address(), "failures", failures)
			failures, pause = 0, 0
		}
		s.start(sock, l.ReadOnly())
	}
}

// wait returns after a pause, or when the service stops.
func (s *Server) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.stopped:
	}
}

// start serves an accepted connection, in its own goroutine.
func (s *Server) start(sock *net.UnixConn, readOnly bool) {
	s.options.Activity.Begin()
	s.goroutines.Add(1)
	go func() {
		defer s.goroutines.Done()
		defer s.options.Activity.End()
		if err := s.serveSock(context.Background(), sock, readOnly); err != nil {
			s.log.Debug("a connection was not served", "error", err)
		}
	}()
}

// ServeConn serves a client that is already connected, as after Accept=yes in a socket
// unit or by "varlinkctl exec:". It returns when the client is done, the context is
// done, or Shutdown is called, and closes the connection.
func (s *Server) ServeConn(ctx context.Context, sock *net.UnixConn) error {
	if !s.begin(nil) {
		_ = sock.Close()
		return nil
	}
	defer s.end(nil)
	s.options.Activity.Begin()
	defer s.options.Activity.End()
	return s.serveSock(ctx, sock, false)
}

// serveSock serves a connection, or sends the client an error that says why not.
func (s *Server) serveSock(ctx context.Context, sock *net.UnixConn, readOnly bool) error {
	defer sock.Close()
	c, err := s.newConn(sock, readOnly)
	if err != nil {
		return err
	}
	if r := s.admission.admit(c.account, c.trusted); r != nil {
		s.refuse(c, r)
		return nil
	}
	defer s.admission.leave(c.account, c.trusted)
	if !s.add(c) {
		return nil
	}
	defer s.remove(c)
	defer c.in.drop()
	defer context.AfterFunc(ctx, func() { c.stop(time.Now().Add(limits.ShutdownGrace)) })()
	c.serve()
	return nil
}

// refuse answers the client's first call with the reason why it gets no connection. A
// Varlink client can read nothing but a reply.
func (s *Server) refuse(c *conn, r *refusal) {
	if r.news {
		s.log.Warn("refusing connections", "reason", r.reason, "uid", c.peer.UID, "pid", c.peer.PID)
	}
	select {
	case s.refusals <- struct{}{}:
		defer func() { <-s.refusals }()
	default:
		return
	}
	if !s.add(c) {
		return
	}
	defer s.remove(c)
	// A long request is not worth reading here.
	c.in.reserve = func(n int) bool { return n <= 0 }
	defer c.in.drop()
	c.in.deadline = time.Now().Add(limits.RefusalTimeout)
	_ = c.sock.SetDeadline(c.in.deadline)
	if c.isStopping() {
		return
	}
	iface := ""
	if frame, err := c.in.next(); err == nil {
		request, err := parseRequest(frame)
		if err != nil || request.oneway {
			return
		}
		if request.fault == nil {
			iface, _ = request.split()
		}
	} else if !errors.Is(err, errNoMemory) && !errors.Is(err, errTooLong) {
		return
	}
	_ = (&Call{conn: c}).Reply(s.unavailable(iface, r.reason))
}
