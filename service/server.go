package service

import (
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// How the service identifies itself (org.varlink.service.GetInfo).
const (
	Vendor  = "eventsvc"
	Product = "eventsvc"
	URL     = "https://github.com/eventsvc/eventsvc"
)

// Options say what a server serves. Core is required; the zero value of any other field
// means its default.
type Options struct {
	// Options are the transport's. New sets those for GetInfo, except the version, and
	// IsTrusted. Interfaces are served in addition to io.podman.events and
	// io.systemd.service.
	varlinkwire.Options
	// Core carries out the calls. New registers its frame format with it, so the feed
	// must not have been started yet.
	Core *core.Core
	// Systemd carries out calls of io.systemd.service; nil: only Ping.
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

// peer returns a peer as the policy sees it.
func peer(p *varlinkwire.Peer) *access.Peer { return (*access.Peer)(p) }

// Caller returns the peer that calls, as core sees it.
func Caller(c *varlinkwire.Call) *core.Caller {
	return &core.Caller{Peer: *peer(c.Peer()), ReadOnly: c.ReadOnly()}
}

// FaultOf returns the fault for an error of core. cursor is where the stream was, ""
// for other calls. The fault is nil if the client has disconnected.
func FaultOf(c *core.Core, call *varlinkwire.Call, err error, cursor string) *core.Fault {
	switch {
	case errors.Is(err, varlinkwire.ErrGone):
		return nil
	case errors.Is(err, varlinkwire.ErrStopping):
		err = core.ErrStopping
	}
	return c.FaultOf(err, peer(call.Peer()), cursor)
}
