package dbus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
)

// Options say what a Server serves and where. Core and Bus are required; the zero value
// of any other field means its default.
type Options struct {
	// Core carries out the calls. New registers its frame formats with it, so the feed
	// must not have been started yet.
	Core *core.Core
	// Version is the value of the property Version.
	Version string
	// Logger gets messages for the administrator; nil: they are dropped.
	Logger *slog.Logger
	// Bus is SystemBus, SessionBus, StarterBus or the address of a bus.
	Bus string
	// Required makes Run fail if the name cannot be owned at the first try. Otherwise
	// that is a warning, and Run keeps trying.
	Required bool
	// Once makes Run return when the connection to the bus is lost. Otherwise Run
	// reconnects.
	Once bool
	// Activity is called when something that needs the service begins (a call, a
	// subscription, a stream or the broadcast) and when it ends; nil: not used.
	Activity activity.Counter

	// WriteTimeout is how long a subscriber may read none of what is sent to it; 0:
	// limits.WriteTimeout.
	WriteTimeout time.Duration
}

// DefaultBus returns the bus for a user who names none: the system bus for root, the
// session bus for other users.
func DefaultBus(uid int) string {
	if uid == 0 {
		return SystemBus
	}
	return SessionBus
}

// CheckBus returns why Options.Bus is invalid, whether or not the bus exists.
func CheckBus(bus string) error { return dbuswire.CheckBus(bus) }

// The words of Options.Bus.
const (
	SystemBus  = dbuswire.SystemBus
	SessionBus = dbuswire.SessionBus
	StarterBus = dbuswire.StarterBus
)

// Server serves the events of a feed on a bus.
type Server struct {
	*dbuswire.Service
	core    *core.Core
	signals *feed.Format
	lines   *feed.Format // of streams
	version string
	log     *slog.Logger
	events  *dbuswire.Interface

	streams       sync.WaitGroup
	subscriptions subscriptions
	activity      activity.Counter
}

// New returns a server that does nothing until Run is called.
func New(o Options) (*Server, error) {
	if o.Core == nil {
		return nil, errors.New("cannot serve events on D-Bus: there is no core")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Activity == nil {
		o.Activity = activity.None{}
	}
	s := &Server{
		core: o.Core, signals: o.Core.Register(appendFrame), lines: o.Core.Register(appendStreamLine),
		version: o.Version, log: o.Logger, activity: o.Activity,
	}
	s.events = s.interfaceOf()
	var err error
	s.Service, err = dbuswire.New(dbuswire.Options{
		Bus: o.Bus, Name: eventsInterface, Object: s.object, Owned: s.broadcast, Logger: o.Logger,
		Required: o.Required, Once: o.Once, Activity: o.Activity, WriteTimeout: o.WriteTimeout,
		Fault: func(err error, p *dbuswire.Peer) *dbuswire.Error { return s.spell(err, p, "") },
		Guard: func(method string, p *dbuswire.Peer, call func() error) error {
			return s.core.Run(method, who(p), call)
		},
		IsTrusted: func(p *dbuswire.Peer) bool { return s.core.Access().IsTrusted(who(p)) },
		Account:   func(p *dbuswire.Peer) uint32 { return s.core.Access().Account(p.UID) },
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// who returns a peer as the policy sees it.
func who(p *dbuswire.Peer) *access.Peer { return (*access.Peer)(&p.Credentials) }

// Run owns the name on the bus and serves, as dbuswire.Service does. When it stops,
// subscribers and streams get ShuttingDown with their cursor, and Run returns when
// every goroutine of the server has ended. Call Run once.
func (s *Server) Run(ctx context.Context) error {
	defer s.streams.Wait()
	return s.Service.Run(ctx)
}
