package varlinkwire

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// pause is a time during which no listener accepts connections.
type pause struct {
	arrivals sync.WaitGroup // listeners that accept until they notice the pause
	waiting  map[*Listener]bool
	over     chan struct{} // closed when it ends
}

// AwaitListeners returns when so many listeners are served, or the context is done.
func (s *Server) AwaitListeners(ctx context.Context, count int) {
	for {
		s.mu.Lock()
		now, more := len(s.listeners), s.more
		s.mu.Unlock()
		if now >= count {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}

// Pause stops accepting connections, and returns when every accepted connection has
// been counted by Options.Activity. Clients that connect later wait in the sockets:
// systemd keeps its own open for the service's next start. Clients that wait in a
// socket of the service's own are accepted and counted, too.
//
// A caller that then finds no client may end the service if Retire returns true, and no
// client is lost; otherwise it has to call Resume. Pause must not be called again in
// between, and not before every listener is served (AwaitListeners).
func (s *Server) Pause() {
	p := &pause{over: make(chan struct{}), waiting: make(map[*Listener]bool)}
	s.mu.Lock()
	s.pause = p
	p.arrivals.Add(len(s.listeners))
	for l := range s.listeners {
		p.waiting[l] = true
		l.wake()
	}
	s.mu.Unlock()
	p.arrivals.Wait()
	s.takeWaiting(s.ownListeners())
}

// Retire closes the service's own sockets to new clients, and removes their files. It
// returns false if a client connected before that: then the service must not end, and
// Resume has to be called. Call it after Pause, when there is no client.
func (s *Server) Retire() bool {
	own := s.ownListeners()
	// First in a way that can be undone at once: a client that looks for the service
	// meanwhile finds no socket.
	for _, l := range own {
		l.hide()
	}
	if s.takeWaiting(own) {
		for _, l := range own {
			l.show()
		}
		return false
	}
	// Then for good: a client may have found the socket before, and connect only now.
	for _, l := range own {
		l.retire()
	}
	return !s.takeWaiting(own)
}

// ownListeners returns the listeners whose sockets are not systemd's.
func (s *Server) ownListeners() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := make([]*Listener, 0, len(s.listeners))
	for l := range s.listeners {
		if l.name == "" {
			own = append(own, l)
		}
	}
	return own
}

// takeWaiting accepts the clients that wait in the sockets, and reports whether there
// were any. It is called while nothing else accepts.
func (s *Server) takeWaiting(listeners []*Listener) bool {
	some := false
	for _, l := range listeners {
		for sock := l.nextWaiting(); sock != nil; sock = l.nextWaiting() {
			s.start(sock, l.ReadOnly())
			some = true
		}
	}
	return some
}

// hide renames the file of a socket, so that no client finds it.
func (l *Listener) hide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isOurs(l.address.Path) {
		return
	}
	hidden := fmt.Sprintf("%s.leaving-%d", l.address.Path, os.Getpid())
	if os.Rename(l.address.Path, hidden) == nil {
		l.hidden = hidden
	}
}

// show undoes hide.
func (l *Listener) show() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hidden == "" {
		return
	}
	if unix.Renameat2(unix.AT_FDCWD, l.hidden, unix.AT_FDCWD, l.address.Path, unix.RENAME_NOREPLACE) == nil {
		l.hidden = ""
		return
	}
	l.removeFile() // another service may have its socket there now: this one notices when it continues
	l.gone = true
}

// retire closes a socket to new clients. Those that have connected can still be
// accepted.
func (l *Listener) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeFile()
	l.gone = true
	if raw, err := l.sock.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
}

// arrive counts a listener that now accepts nothing. It is called with the lock held.
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

// waitWhilePaused returns when connections may be accepted. The goroutine that accepts
// them calls it.
func (s *Server) waitWhilePaused(ctx context.Context, l *Listener) error {
	for {
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
		// The next pause may have begun before this, and does not wake us again.
		if err := l.goOn(); err != nil {
			return err
		}
	}
}

// wake interrupts the accepting of connections once.
func (l *Listener) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.sock.SetDeadline(longAgo)
}

// goOn lets connections be accepted again. If no client can connect to this socket any
// more, it makes a new one at the same path.
func (l *Listener) goOn() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		old := l.sock
		if l.address.isAbstract() {
			_ = old.Close() // a name has one socket at a time
		}
		if err := l.listen(); err != nil {
			return errors.WithMessagef(err, "cannot listen on %q again", l.address.Path)
		}
		l.gone = false
		_ = old.Close()
	}
	deadline := time.Time{}
	if l.interrupted { // a new socket does not know it
		deadline = longAgo
	}
	_ = l.sock.SetDeadline(deadline)
	return nil
}

// nextWaiting returns a connection that waits to be accepted, nil if there is none,
// whatever the socket's deadline.
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
