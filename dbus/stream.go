package dbus

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// stream writes events as lines to a socket whose other end the caller has, or
// whom the caller gave it to. It does not need the bus any more: it ends when
// the other end is closed, or when there can be no more events, after a last
// line that says why.
type stream struct {
	server  *Server
	peer    access.Peer
	feed    *feed.Subscription
	history bool
	sock    *net.UnixConn
	ctx     context.Context // ends when the service stops, or the reader is gone
	cancel  context.CancelCauseFunc
}

// openStream answers with a descriptor to read from.
func (k *call) openStream(d *dbuswire.Decoder) error {
	r, err := k.request(d, subscribeOptions)
	if err != nil {
		return err
	}
	server := k.server
	if !k.Conn().PassesFiles() {
		return &dbuswire.Error{Name: dbuswire.ErrNotSupported, Message: "this bus does not pass descriptors; use Subscribe or GetEvents"}
	}
	if err := server.takeStream(k.Peer()); err != nil {
		return err
	}
	s := &stream{server: server, peer: *who(k.Peer()), history: r.wantsHistory()}
	opened := false
	defer func() {
		if !opened { // it failed, or panicked
			server.quotas.give(&server.quotas.streams, s.peer.UID)
		}
	}()
	far, err := s.open(k.Context(), r)
	if err != nil {
		return err
	}
	opened = true
	defer far.Close()
	defer server.streams.Go(s.run)
	return k.ReplyFile(far)
}

// open begins the subscription and makes the sockets. It returns the far one.
func (s *stream) open(ctx context.Context, r *request) (far *os.File, err error) {
	s.feed, err = s.server.feed.Subscribe(ctx, feed.Request{
		Query: r.query, History: s.history, After: r.after, Until: r.until, Format: s.server.lines, Face: "dbus-stream",
	})
	if err != nil {
		return nil, err
	}
	s.sock, far, err = socketPair()
	if err != nil {
		s.feed.Close()
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancelCause(s.server.Context())
	return far, nil
}

// socketPair returns two sockets that are connected. Nothing can be written to
// the far one.
func socketPair() (near *net.UnixConn, far *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errors.Wrap(err, "cannot open a stream")
	}
	file := os.NewFile(uintptr(pair[0]), "stream")
	defer file.Close()
	far = os.NewFile(uintptr(pair[1]), "stream")
	conn, err := net.FileConn(file)
	if err != nil {
		_ = far.Close()
		return nil, nil, errors.Wrap(err, "cannot open a stream")
	}
	near = conn.(*net.UnixConn)
	_ = near.CloseRead()
	return near, far, nil
}

func (s *stream) run() {
	defer s.server.quotas.give(&s.server.quotas.streams, s.peer.UID)
	defer s.feed.Close()
	defer s.sock.Close()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch()
	}()
	defer func() {
		_ = s.sock.SetReadDeadline(time.Unix(1, 0))
		<-watched
		s.cancel(nil)
	}()
	// When the service stops a reader has this long to take what is there.
	stop := context.AfterFunc(s.ctx, func() { _ = s.sock.SetWriteDeadline(time.Now().Add(limits.ShutdownGrace)) })
	defer stop()
	err := s.server.guard.Run("a stream", &s.peer, s.write)
	if s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(s.ctx)
	}
	var unwritten writeError
	if errors.As(err, &unwritten) || errors.Is(err, dbuswire.ErrGone) {
		return
	}
	_, _ = s.sock.Write(s.server.lastLine(err, &s.peer, s.feed.Cursor()))
}

// watch ends the stream when its reader is gone: a socket whose other end is
// closed hangs up.
func (s *stream) watch() {
	raw, err := s.sock.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(poll, 0)
		if n > 0 && err == nil {
			s.cancel(dbuswire.ErrGone)
			return true
		}
		return false
	})
}

// writeError is an error of writing to the reader, which nobody can tell it.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// write writes lines until there are no more. The error is io.EOF if everything
// that was asked for has been written.
func (s *stream) write() error {
	if err := s.mark(`{"ready":true,`, !s.history); err != nil {
		return err
	}
	leave := func() {}
	if s.history {
		var err error
		if leave, err = s.server.access.ReadPast(s.ctx, &s.peer); err != nil {
			return err
		}
		defer leave()
	}
	for {
		delivery, err := s.feed.Next(s.ctx)
		switch {
		case err != nil:
			return err
		case delivery.Live && s.history:
			leave()
			err = s.mark(`{"live":true,`, false)
		default:
			_, err = delivery.Frames.WriteTo(s.sock)
		}
		if err != nil {
			return writeError{err}
		}
	}
}

// mark writes a line without an event.
func (s *stream) mark(begin string, live bool) error {
	b := []byte(begin)
	if live {
		b = append(b, `"live":true,`...)
	}
	b = eventjson.AppendCursor(append(b, `"cursor":`...), s.feed.Cursor())
	if _, err := s.sock.Write(append(b, '}', '\n')); err != nil {
		return writeError{err}
	}
	return nil
}
