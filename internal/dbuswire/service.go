package dbuswire

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// Options say what a Service serves, and where. Bus, Name and Object are required; the
// zero value of any other field means its default.
type Options struct {
	// Bus is SystemBus, SessionBus, StarterBus or the address of a bus.
	Bus string
	// Name is the name that the service owns on the bus.
	Name string
	// Object returns the object at the path of a call, nil if the caller may see none
	// there. It is called from many goroutines.
	Object func(k *Call) *Object
	// Fault turns an error of a method into the error that the caller gets; nil: the
	// text of the error, as ErrFailed.
	Fault func(err error, p *Peer) *Error
	// Guard calls a method and turns a panic into an error; nil: a panic ends the
	// process.
	Guard func(method string, p *Peer, call func() error) error
	// IsTrusted reports whether a peer, whose credentials are known, is exempt from the
	// bounds that protect users from each other; nil: only root is.
	IsTrusted func(p *Peer) bool
	// Account returns the uid to which the calls of a peer are counted; nil: its own.
	Account func(p *Peer) uint32
	// Owned is called in a goroutine of its own whenever the name is owned (again). It
	// must return when the context of the connection is done; nil: not used.
	Owned func(c *Conn)
	// Logger gets messages for the administrator; nil: they are dropped.
	Logger *slog.Logger
	// Required makes Run fail if the name cannot be owned at the first try. Otherwise
	// that is a warning, and Run keeps trying.
	Required bool
	// Once makes Run return when the connection to the bus is lost. Otherwise Run
	// reconnects.
	Once bool
	// Activity is called when a call begins and when it ends; nil: not used.
	Activity activity.Counter
	// WriteTimeout is how long the receiver of a Flow may read none of what is sent to
	// it; 0: limits.WriteTimeout.
	WriteTimeout time.Duration
}

// Service owns a name on a bus and serves objects there, reconnecting as often as
// needed. Its methods are safe for concurrent use.
type Service struct {
	o            Options
	log          *slog.Logger
	writeTimeout atomic.Int64 // in nanoseconds

	base   context.Context // ends when everything must end
	cancel context.CancelCauseFunc
	ready  chan struct{} // closed after the first try to own the name
	once   sync.Once     // for ready

	calls, refused atomic.Uint64 // since the service began
	lastRefusal    atomic.Int64  // when one was last logged, in Unix nanoseconds

	current atomic.Pointer[Conn] // the connection while the name is owned, nil: none
}

// New returns a service that does nothing until Run is called.
func New(o Options) (*Service, error) {
	if o.Bus == "" {
		return nil, errors.New("cannot serve on D-Bus: there is no bus; give system, session or an address")
	}
	s := &Service{o: o, log: o.Logger, ready: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.o.Activity == nil {
		s.o.Activity = activity.None{}
	}
	if s.o.Fault == nil {
		s.o.Fault = func(err error, _ *Peer) *Error { return &Error{ErrFailed, err.Error()} }
	}
	if s.o.Guard == nil {
		s.o.Guard = func(_ string, _ *Peer, call func() error) error { return call() }
	}
	if s.o.IsTrusted == nil {
		s.o.IsTrusted = func(p *Peer) bool { return p.UID == 0 }
	}
	if s.o.Account == nil {
		s.o.Account = func(p *Peer) uint32 { return p.UID }
	}
	s.SetWriteTimeout(o.WriteTimeout)
	s.base, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// SetWriteTimeout changes Options.WriteTimeout from now on.
func (s *Service) SetWriteTimeout(d time.Duration) {
	if d == 0 {
		d = limits.WriteTimeout
	}
	s.writeTimeout.Store(int64(d))
}

// Context ends, with the cause ErrStopping, when everything in the service must end.
func (s *Service) Context() context.Context { return s.base }

// Conn returns the connection while the name is owned, otherwise nil.
func (s *Service) Conn() *Conn { return s.current.Load() }

// Calls returns how many calls were accepted, and how many were refused at a bound,
// since the service began.
func (s *Service) Calls() (taken, refused uint64) { return s.calls.Load(), s.refused.Load() }

// Refused counts a call that was refused at a bound, and logs such calls now and then.
func (s *Service) Refused(sender, reason string) {
	s.refused.Add(1)
	now, last := time.Now().UnixNano(), s.lastRefusal.Load()
	if now-last >= int64(limits.RefusalPause) && s.lastRefusal.CompareAndSwap(last, now) {
		s.log.Warn("refusing D-Bus calls", "sender", sender, "reason", reason, "refused", s.refused.Load())
	}
}

// Ready is closed once the first try to own the name on the bus is over, whether or not
// it succeeded. It stays open if its failure makes Run return an error.
func (s *Service) Ready() <-chan struct{} { return s.ready }

func (s *Service) setReady() { s.once.Do(func() { close(s.ready) }) }

// Run owns the name on the bus and serves until the context is done. Then the name is
// given back, earlier calls get their reply, Context ends, and Run returns nil when
// every goroutine of its connections has ended. If the bus is not there yet, or the
// connection is lost, Run waits for it. With Required, a failure at the first try is an
// error; with Once, Run does not reconnect. Call Run once.
func (s *Service) Run(ctx context.Context) error {
	defer s.cancel(ErrStopping)
	var pause time.Duration
	var last string // the last error logged
	for first := true; ; first = false {
		began := time.Now()
		err := s.serveOnce(ctx)
		if first && s.o.Required && ctx.Err() == nil && !errors.Is(err, ErrLost) {
			return err
		}
		s.setReady()
		switch {
		case ctx.Err() != nil:
			return nil
		case s.o.Once && errors.Is(err, ErrLost):
			s.log.Info("lost the connection to the bus", "bus", s.o.Bus)
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
		if errors.Is(err, ErrLost) {
			last = ""
		}
		s.log.Log(ctx, level, "not on the bus now", "bus", s.o.Bus, "error", err, "retryIn", pause)
		sleep.For(ctx, pause)
	}
}

// serveOnce connects, owns the name and serves until the connection ends.
func (s *Service) serveOnce(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.ownName(ctx); err != nil {
		return err
	}
	c.transport.setTimeout(0)
	s.log.Info("serving on D-Bus", "bus", s.o.Bus, "name", s.o.Name, "connection", c.unique)
	s.current.Store(c)
	defer s.current.Store(nil)
	s.setReady()
	if s.o.Owned != nil {
		c.Go(func() { s.o.Owned(c) })
	}
	select {
	case <-ctx.Done():
		c.end()
		return nil
	case <-c.life.Done():
		return errors.WithMessage(ErrLost, "cannot go on")
	}
}
