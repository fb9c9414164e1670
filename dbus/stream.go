package dbus

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// stream writes events as lines to a socket whose other end the caller has, or has
// passed on. It does not need the bus any more: it ends when the other end is closed or
// no more events can follow, after a last line that says why.
type stream struct {
	server *Server
	peer   *dbuswire.Peer // the caller
	events *core.Stream
	give   func() // back to the quota
	sock   *net.UnixConn
	ctx    context.Context // ends when the service stops, or the reader has disconnected or lost its right
	cancel context.CancelCauseFunc
}

// streams is the quota of streams.
var streams = core.Quota{Name: "streams", Most: limits.Streams, MostPerUID: limits.StreamsPerUID}

// openStream replies with a descriptor to read from.
func (k *call) openStream(d *dbuswire.Decoder) error {
	q, _, err := query(d, subscribeOptions)
	if err != nil {
		return err
	}
	if !k.Conn().PassesFiles() {
		return &dbuswire.Error{Name: dbuswire.ErrNotSupported, Message: "this bus does not pass descriptors; use Subscribe or GetEvents"}
	}
	give, err := k.server.take(&streams, k.Peer())
	if err != nil {
		return err
	}
	s := &stream{server: k.server, peer: k.Peer(), give: give}
	opened := false
	defer func() {
		if !opened { // it failed, or panicked
			give()
		}
	}()
	far, err := s.open(k, q)
	if err != nil {
		return err
	}
	opened = true
	defer far.Close()
	defer k.server.streams.Go(s.run)
	return k.ReplyFile(far)
}

// open begins the subscription and makes the sockets. It returns the far one. The
// stream outlives its caller, which can end it until the call has its reply.
func (s *stream) open(k *call, q core.Query) (far *os.File, err error) {
	ctx, cancel := context.WithCancelCause(s.server.Context())
	unlink := context.AfterFunc(k.Context(), func() { cancel(context.Cause(k.Context())) })
	defer unlink()
	s.events, err = k.subscribeTo(ctx, q, s.server.lines, "dbus-stream")
	if err == nil {
		if s.sock, far, err = socketPair(); err != nil {
			s.events.Close()
		}
	}
	if err != nil {
		cancel(err)
		return nil, err
	}
	s.ctx, s.cancel = s.events.Context(), cancel
	return far, nil
}

// socketPair returns two connected sockets. The far one cannot be written to.
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
	defer s.give()
	defer s.events.Close()
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
	// When the service stops, a reader has this long to read what is left.
	stop := context.AfterFunc(s.ctx, func() { _ = s.sock.SetWriteDeadline(time.Now().Add(limits.ShutdownGrace)) })
	defer stop()
	err := s.server.core.Run("a stream", who(s.peer), s.write)
	var unwritten writeError
	if errors.As(err, &unwritten) || dbuswire.IsUnanswerable(err) {
		return
	}
	_, _ = s.sock.Write(s.server.lastLine(err, s.peer, s.events.Cursor()))
}

// watch ends the stream when its reader has disconnected: a socket whose other end is
// closed reports a hangup.
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

// writeError is an error from writing to the reader, which cannot be sent to it.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// write writes lines until there are no more. The error is io.EOF if everything asked
// for has been written.
func (s *stream) write() error {
	if err := s.mark(`{"ready":true,`, !s.events.Past()); err != nil {
		return err
	}
	for {
		delivery, err := s.events.Next(s.ctx)
		switch {
		case err != nil:
			return err
		case delivery.Live:
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
	b = eventjson.AppendCursor(append(b, `"cursor":`...), s.events.Cursor())
	if _, err := s.sock.Write(append(b, '}', '\n')); err != nil {
		return writeError{err}
	}
	return nil
}

// appendStreamLine appends the line of a stream for an event: the parameters of
// a reply of Subscribe in io.podman.events. It is the feed.Encoder of streams.
func appendStreamLine(dst []byte, r *feed.Record) []byte {
	dst = append(dst, `{"event":`...)
	dst = eventjson.AppendEvent(dst, r)
	dst = append(dst, `,"cursor":`...)
	dst = eventjson.AppendCursor(dst, r.Cursor)
	return append(dst, '}', '\n')
}
