package varlinkwire

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Options say what a Server serves. Interfaces is required; the zero value of any other
// field means its default.
type Options struct {
	// Vendor, Product, Version and URL are reported by GetInfo.
	Vendor, Product, Version, URL string
	// Interfaces are served on every socket, in addition to org.varlink.service. A
	// client that is refused before it has named an interface gets an error of the
	// first.
	Interfaces []Interface
	// Logger gets messages for the administrator; nil: they are dropped.
	Logger *slog.Logger
	// Guard calls a handler, and reports whether it panicked; nil: a panic ends the
	// process.
	Guard func(method string, p *Peer, call func()) (panicked bool)
	// IsTrusted reports whether a peer is exempt from the bounds that protect users
	// from each other; nil: only root is.
	IsTrusted func(p *Peer) bool
	// Account returns the uid to which a peer's use of bounds is counted; nil: its own.
	Account func(p *Peer) uint32
	// Identify returns the peer of a connection; nil: as the kernel reports it.
	Identify func(*net.UnixConn) (Peer, error)
	// RequestTimeout is how long a request may take from its first to its last byte; 0:
	// limits.RequestTimeout.
	RequestTimeout time.Duration
	// Connections and ConnectionsPerUID bound the connections; 0: the bound of
	// the same name in package limits.
	Connections       int
	ConnectionsPerUID int
	// RequestSize is the longest request in bytes; 0: limits.Request.
	RequestSize int
	// WriteTimeout is how long a client may read none of what is sent to it; 0:
	// limits.WriteTimeout.
	WriteTimeout time.Duration
	// Idle is called each time the last connection has ended, from a goroutine of the
	// server; nil: not used. It must not wait for the server.
	Idle func()
	// Activity is called when a client has connected and when it has disconnected; nil:
	// not used.
	Activity activity.Counter
}

// Server serves interfaces over Varlink. It is safe for concurrent use.
type Server struct {
	options    Options
	log        *slog.Logger
	interfaces map[string]*served
	names      []string // of all interfaces, sorted
	first      string   // the interface whose errors are used for unknown ones
	own        *schema  // of org.varlink.service
	watcher    *watcher
	admission  admission
	bounds     liveBounds
	refusals   chan struct{} // one element for each client being refused

	base   context.Context // ends when handlers must end
	cancel context.CancelFunc

	goroutines sync.WaitGroup
	stopped    chan struct{} // closed when the service begins to stop

	mu        sync.Mutex
	stopping  bool
	watching  chan struct{} // closed when the watcher has ended, nil: it was not started
	listeners map[*Listener]struct{}
	more      chan struct{} // closed when there is one more
	conns     map[*conn]struct{}
	pause     *pause // while nothing is accepted, nil: not paused
}

// New returns a server. It holds a descriptor until Shutdown is called.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Activity == nil {
		o.Activity = activity.None{}
	}
	if o.Guard == nil {
		o.Guard = func(_ string, _ *Peer, call func()) bool { call(); return false }
	}
	if o.IsTrusted == nil {
		o.IsTrusted = func(p *Peer) bool { return p.UID == 0 }
	}
	if o.Account == nil {
		o.Account = func(p *Peer) uint32 { return p.UID }
	}
	if o.Identify == nil {
		o.Identify = peerOf
	}
	o.RequestTimeout = orDefault(o.RequestTimeout, limits.RequestTimeout)
	s := &Server{
		options: o, log: o.Logger, interfaces: make(map[string]*served),
		admission: admission{users: make(map[uint32]*usage)},
		refusals:  make(chan struct{}, limits.Refusals), stopped: make(chan struct{}),
		listeners: make(map[*Listener]struct{}), more: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
	s.SetBounds(Bounds{o.Connections, o.ConnectionsPerUID, o.RequestSize, o.WriteTimeout})
	if err := s.registerAll(); err != nil {
		return nil, err
	}
	var err error
	if s.watcher, err = newWatcher(); err != nil {
		return nil, err
	}
	s.base, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func orDefault[T int | time.Duration](value, byDefault T) T {
	if value <= 0 {
		return byDefault
	}
	return value
}

// begin counts a call of Serve or ServeConn. It returns false if the service is
// stopping.
func (s *Server) begin(l *Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if l != nil {
		s.listeners[l] = struct{}{}
		close(s.more)
		s.more = make(chan struct{})
	}
	s.goroutines.Add(1)
	if s.watching == nil {
		ended := make(chan struct{})
		s.watching = ended
		go func() {
			defer close(ended)
			s.watcher.run()
		}()
	}
	return true
}

func (s *Server) end(l *Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.arrive(l)
	s.mu.Unlock()
	s.goroutines.Done()
}

// add counts a connection. It returns false if the service is stopping.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	idle := len(s.conns) == 0
	s.mu.Unlock()
	if idle && s.options.Idle != nil {
		s.options.Idle()
	}
}

// isStopping reports whether Shutdown has been called.
func (s *Server) isStopping() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// Shutdown stops the service: no more connections are accepted, followers get
// ShuttingDown with their cursor, other calls are finished, and clients have
// limits.ShutdownGrace, or less if the context ends earlier, to read what is sent to
// them. It returns when every goroutine of the server has ended, or with an error if a
// handler has not ended although the context is done.
func (s *Server) Shutdown(ctx context.Context) error {
	deadline := time.Now().Add(limits.ShutdownGrace)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	for _, c := range s.beginStop() {
		c.stop(deadline)
	}
	defer s.endWatching()
	idle := make(chan struct{})
	go func() {
		s.goroutines.Wait()
		close(idle)
	}()
	grace := time.NewTimer(time.Until(deadline))
	defer grace.Stop()
	select {
	case <-idle:
	case <-grace.C:
	case <-ctx.Done():
	}
	s.cancel()
	for _, c := range s.connections() {
		_ = c.sock.Close()
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-idle:
		return nil
	default:
		return errors.Errorf("cannot stop in time: %d connections have calls that do not end", len(s.connections()))
	}
}

// beginStop stops accepting, and returns the open connections.
func (s *Server) beginStop() []*conn {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stopped)
	}
	for l := range s.listeners {
		l.interrupt()
	}
	s.mu.Unlock()
	return s.connections()
}

// endWatching ends the watcher and waits for it.
func (s *Server) endWatching() {
	s.watcher.close()
	s.mu.Lock()
	ended := s.watching
	s.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}
