package dbus

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Options say what a Server serves, to whom and where. Feed and Bus are needed;
// the zero value of each other field means its default.
type Options struct {
	// Feed is where the events come from. New registers the forms of its
	// frames with it, so the feed must not have been started yet.
	Feed *feed.Feed
	// Access decides who may do what; nil: root and the user of the service.
	Access *access.Policy
	// Version is what the property Version says.
	Version string
	// Logger is told what an administrator should know; nil: nobody is.
	Logger *slog.Logger
	// Bus is SystemBus, SessionBus, StarterBus or the address of a bus.
	Bus string
	// Required makes it an error of Run if the name cannot be owned at the
	// first try. Otherwise that is a warning, and Run goes on trying.
	Required bool
	// Once makes Run return when the bus has gone away. Otherwise Run waits for
	// it to come back.
	Once bool
	// Activity is told when something begins that needs the service, a call, a
	// subscription, a stream or the broadcast, and when it is over; nil: nobody
	// is.
	Activity Activity

	// WriteTimeout is how long a subscriber may read nothing of what is sent
	// to it; 0: limits.WriteTimeout.
	WriteTimeout time.Duration
}

// Activity counts what keeps the service from being idle. It has to be safe for
// concurrent use, and must not wait for the server.
type Activity interface {
	// Begin is called when something begins, and End once when it is over.
	Begin()
	End()
}

// noActivity counts nothing.
type noActivity struct{}

func (noActivity) Begin() {}
func (noActivity) End()   {}

// DefaultBus returns the bus for a user who names none: the system bus for
// root, the session bus for everybody else.
func DefaultBus(uid int) string {
	if uid == 0 {
		return SystemBus
	}
	return SessionBus
}

// Server serves the events of a feed on a bus.
type Server struct {
	feed     *feed.Feed
	signals  *feed.Format
	lines    *feed.Format // of streams
	access   *access.Policy
	version  string
	log      *slog.Logger
	bus      string
	required bool
	onlyOnce bool
	patience atomic.Int64 // how long a subscriber may read nothing, in nanoseconds

	base    context.Context // ends when everything has to
	cancel  context.CancelCauseFunc
	streams sync.WaitGroup
	quotas  quotas
	guard   *core.Guard
	ready   chan struct{} // closed after the first try to own the name
	once    sync.Once     // for ready

	calls, refused atomic.Uint64 // since the service began
	lastRefusal    atomic.Int64  // when one was last logged, in Unix nanoseconds

	activity Activity
	current  atomic.Pointer[conn] // the connection while the name is owned, nil: none
}

// New returns a server that does nothing until Run is called.
func New(o Options) (*Server, error) {
	if o.Feed == nil {
		return nil, errors.New("cannot serve events on D-Bus: there is no feed")
	}
	if o.Bus == "" {
		return nil, errors.New("cannot serve events on D-Bus: there is no bus; give system, session or an address")
	}
	if o.Access == nil {
		o.Access = access.NewPolicy(access.Allowed{}, access.Allowed{}, o.Logger)
	}
	s := &Server{
		feed: o.Feed, signals: o.Feed.Register(appendFrame), lines: o.Feed.Register(appendStreamLine), access: o.Access,
		version: o.Version, log: o.Logger, bus: o.Bus, required: o.Required, onlyOnce: o.Once,
		ready: make(chan struct{}), activity: o.Activity,
	}
	if s.activity == nil {
		s.activity = noActivity{}
	}
	s.quotas.activity, s.quotas.refused = s.activity, s.noteRefusal
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.guard = core.NewGuard(s.log)
	s.SetWriteTimeout(o.WriteTimeout)
	s.base, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// SetWriteTimeout changes how long a subscriber may read nothing, from now on; 0:
// limits.WriteTimeout.
func (s *Server) SetWriteTimeout(d time.Duration) {
	if d == 0 {
		d = limits.WriteTimeout
	}
	s.patience.Store(int64(d))
}

// Calls returns how many calls were taken in, and how many refused at a bound,
// since the service began.
func (s *Server) Calls() (taken, refused uint64) { return s.calls.Load(), s.refused.Load() }

// noteRefusal logs that a bound was hit, now and then.
func (s *Server) noteRefusal(sender, reason string) {
	s.refused.Add(1)
	now, last := time.Now().UnixNano(), s.lastRefusal.Load()
	if now-last >= int64(limits.RefusalPause) && s.lastRefusal.CompareAndSwap(last, now) {
		s.log.Warn("refusing D-Bus calls", "sender", sender, "reason", reason, "refused", s.refused.Load())
	}
}

// Ready is closed once the first try to own the name on the bus is over, be it
// that it succeeded or not. It stays open if that is an error of Run.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run owns the name on the bus and serves, until the context is done; then the
// name is given back, what was called before is answered, subscribers and
// streams are told ShuttingDown with their cursor, and Run returns nil when
// every goroutine of the server has ended. A bus that goes
// away, or is not there yet, is waited for; if Required is set, failing at the
// first try is an error, and if Once is, the first end is the last. Run is
// called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.streams.Wait()
	defer s.cancel(errStopping)
	var pause time.Duration
	var last string // what was last complained about
	for first := true; ; first = false {
		began := time.Now()
		err := s.serveOnce(ctx)
		if first && s.required && ctx.Err() == nil && !errors.Is(err, errLost) {
			return err
		}
		s.setReady()
		switch {
		case ctx.Err() != nil:
			return nil
		case s.onlyOnce && errors.Is(err, errLost):
			s.log.Info("the bus has gone away", "bus", s.bus)
			return nil
		}
		if time.Since(began) > limits.BusBackoffMost {
			pause = 0
		}
		pause = min(max(2*pause, limits.BusBackoffFirst), limits.BusBackoffMost)
		level := slog.LevelWarn
		if err.Error() == last {
			level = slog.LevelDebug
		}
		last = err.Error()
		if errors.Is(err, errLost) {
			last = ""
		}
		s.log.Log(ctx, level, "not on the bus now", "bus", s.bus, "error", err, "retryIn", pause)
		wait(ctx, pause)
	}
}

func (s *Server) setReady() { s.once.Do(func() { close(s.ready) }) }

// wait returns after a pause, or when the context is done.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errLost is returned when the name was owned, and is no longer.
var errLost = errors.New("the connection to the bus was lost")

// serveOnce connects, owns the name and serves until that ends.
func (s *Server) serveOnce(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.ownName(ctx); err != nil {
		return err
	}
	c.transport.setTimeout(0)
	s.log.Info("serving events on D-Bus", "bus", s.bus, "name", eventsInterface, "connection", c.unique, "broadcast", c.broadcasts)
	s.current.Store(c)
	defer s.current.Store(nil)
	s.setReady()
	if c.broadcasts {
		c.goroutines.Go(c.broadcast)
	}
	select {
	case <-ctx.Done():
		c.end()
		return nil
	case <-c.life.Done():
		return errors.WithMessage(errLost, "cannot go on")
	}
}
