package service

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// pause is a time in which no listener accepts connections.
type pause struct {
	arrivals sync.WaitGroup // of the listeners that accept until they notice
	waiting  map[*Listener]bool
	over     chan struct{} // closed when it ends
}

// Pause stops accepting connections, and returns when every connection that was
// accepted has been counted in by the Activity of the options. What comes then
// waits in the sockets: those of systemd keep it for whoever is started next. A
// socket of our own loses its file, so that nobody comes any more, and who was
// waiting there is accepted and counted in, too.
//
// Whoever then finds that nobody is there may end the service, and loses no
// client; otherwise Resume has to be called. Pause must not be called again in
// between, and not before every listener has been given to Serve.
func (s *Server) Pause() {
	p := &pause{over: make(chan struct{}), waiting: make(map[*Listener]bool)}
	s.mu.Lock()
	s.pause = p
	p.arrivals.Add(len(s.listeners))
	listeners := make([]*Listener, 0, len(s.listeners))
	for l := range s.listeners {
		p.waiting[l] = true
		listeners = append(listeners, l)
		l.wake()
	}
	s.mu.Unlock()
	p.arrivals.Wait()
	for _, l := range listeners {
		if l.name != "" {
			continue // systemd's
		}
		for _, sock := range l.retire() {
			s.start(sock, l.ReadOnly())
		}
	}
}

// retire removes the file of a socket, and returns who waits to be accepted. It
// is called while nothing is accepted.
func (l *Listener) retire() []*net.UnixConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ino != 0 {
		l.removeFile()
		l.gone = true
	}
	var waiting []*net.UnixConn
	for sock := l.nextWaiting(); sock != nil; sock = l.nextWaiting() {
		waiting = append(waiting, sock)
	}
	return waiting
}

// arrive counts a listener that accepts nothing now. It is called with the lock
// held.
func (s *Server) arrive(l *Listener) {
	if p := s.pause; p != nil && p.waiting[l] {
		delete(p.waiting, l)
		p.arrivals.Done()
	}
}

// Resume accepts connections again.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pause != nil {
		close(s.pause.over)
		s.pause = nil
	}
}

func (s *Server) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pause != nil
}

// waitWhilePaused returns when connections may be accepted. It is called by the
// goroutine that accepts them.
func (s *Server) waitWhilePaused(ctx context.Context, l *Listener) error {
	s.mu.Lock()
	p := s.pause
	s.arrive(l)
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	select {
	case <-p.over:
	case <-ctx.Done():
		return nil
	case <-s.stopped:
		return nil
	}
	return l.goOn()
}

// wake interrupts the accepting of connections for now.
func (l *Listener) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.sock.SetDeadline(longAgo)
}

// goOn lets connections be accepted again, on a new socket at the same place if
// the file was removed.
func (l *Listener) goOn() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		old := l.sock
		if err := l.listen(); err != nil {
			return errors.WithMessagef(err, "cannot listen on %q again", l.address.Path)
		}
		l.gone = false
		_ = old.Close()
	}
	if !l.interrupted {
		_ = l.sock.SetDeadline(time.Time{})
	}
	return nil
}

// nextWaiting returns a connection that waits to be accepted, nil if there is
// none, whatever deadline the socket has.
func (l *Listener) nextWaiting() *net.UnixConn {
	raw, err := l.sock.SyscallConn()
	if err != nil {
		return nil
	}
	var sock *net.UnixConn
	_ = raw.Control(func(fd uintptr) {
		for {
			accepted, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			if err != nil {
				return
			}
			file := os.NewFile(uintptr(accepted), "connection")
			sock, _ = fileConn(file)
			_ = file.Close()
			return
		}
	})
	return sock
}
