package service

import (
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// What the service says it is (org.varlink.service.GetInfo).
const (
	Vendor  = "eventsvc"
	Product = "eventsvc"
	URL     = "https://github.com/eventsvc/eventsvc"
)

// Options say what a server serves. Core is needed; the zero value of each other
// field means its default.
type Options struct {
	// Options are those of the transport. New sets what GetInfo says but for the
	// version, and who is trusted. Interfaces are served beside io.podman.events
	// and io.systemd.service.
	varlinkwire.Options
	// Core does what calls ask for. New registers the form of its frames with it,
	// so its feed must not have been started yet.
	Core *core.Core
	// Systemd is what io.systemd.service is for; nil: Ping alone.
	Systemd varlinkwire.SystemdCalls
}

// New returns a server of the interface io.podman.events. It holds a descriptor
// until Shutdown is called.
func New(o Options) (*varlinkwire.Server, error) {
	if o.Core == nil {
		return nil, errors.New("cannot serve events: there is no core")
	}
	policy := o.Core.Access()
	h := &handler{core: o.Core, format: o.Core.Register(appendEventFrame), version: o.Version}
	own := varlinkwire.Interface{Dispatcher: iopodmanevents.VarlinkNew(h), Admit: h.admit, Unavailable: h.unavailable}
	systemd := varlinkwire.Systemd(o.Systemd, func(c *varlinkwire.Call) error { return policy.MayControl(peer(c.Peer()), c.ReadOnly()) })
	t := o.Options
	t.Vendor, t.Product, t.URL = Vendor, Product, URL
	t.Interfaces = append([]varlinkwire.Interface{own, systemd}, o.Interfaces...)
	t.IsTrusted = func(p *varlinkwire.Peer) bool { return policy.IsTrusted(peer(p)) }
	t.Account = func(p *varlinkwire.Peer) uint32 { return policy.Account(p.UID) }
	t.Guard = func(method string, p *varlinkwire.Peer, call func()) (panicked bool) {
		return o.Core.Run(method, peer(p), func() error { call(); return nil }) != nil
	}
	return varlinkwire.New(t)
}

// peer returns a peer as the policy knows it.
func peer(p *varlinkwire.Peer) *access.Peer { return (*access.Peer)(p) }

// Caller returns the peer that calls, as core knows it.
func Caller(c *varlinkwire.Call) *core.Caller {
	return &core.Caller{Peer: *peer(c.Peer()), ReadOnly: c.ReadOnly()}
}

// FaultOf returns what is wrong with a call, given an error of core. The cursor is
// where the stream was, "" for other calls. A nil fault means that nobody is
// there to be told.
func FaultOf(c *core.Core, call *varlinkwire.Call, err error, cursor string) *core.Fault {
	switch {
	case errors.Is(err, varlinkwire.ErrGone):
		return nil
	case errors.Is(err, varlinkwire.ErrStopping):
		err = core.ErrStopping
	}
	return c.FaultOf(err, peer(call.Peer()), cursor)
}
