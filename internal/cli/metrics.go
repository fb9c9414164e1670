package cli

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// metricsAddress is an address of --metrics: a socket, or a port.
type metricsAddress struct {
	varlinkwire.Address
	port netip.AddrPort // valid: it is this
}

func (m metricsAddress) String() string {
	if m.port.IsValid() {
		return m.port.String()
	}
	return m.Address.String()
}

// Obstacle is why nothing could listen there.
func (m metricsAddress) Obstacle() error {
	if m.port.IsValid() {
		return nil
	}
	return m.Address.Obstacle()
}

// public is how the address of --metrics says that the network may look.
const public = ",public"

// metricsAddress is the address of --metrics.
func (f *serveFlags) metricsAddress() (m metricsAddress, err error) {
	defer func() { err = errors.WithMessage(err, "cannot show metrics") }()
	text, isPublic := strings.CutSuffix(f.metrics, public)
	if m.port, err = netip.ParseAddrPort(text); err == nil {
		if !isPublic && !m.port.Addr().IsLoopback() {
			return m, errors.Errorf("%s can be reached from the network, and the metrics name containers and images: "+
				"give 127.0.0.1:%d, or add %s", m.port, m.port.Port(), public)
		}
		return m, nil
	}
	if m.Address, err = varlinkwire.ParseAddress(f.metrics); err != nil {
		return m, err
	}
	if m.ReadOnly {
		return m, errors.New("every write there would be refused; leave readonly out")
	}
	if listen, _ := f.listenAddresses(); hasPath(listen, m.Path) {
		return m, errors.Errorf("cannot listen on %q: the service itself is to listen there; choose another path", m.Path)
	}
	return m, nil
}

// metricsListener is where metrics are shown.
type metricsListener struct {
	net.Listener
	address string
	close   func() error
}

// Close ends the listening. It may be called again.
func (l *metricsListener) Close() error { return l.close() }

// listenForMetrics returns where metrics are shown, nil if they are not.
func (f *serveFlags) listenForMetrics() (*metricsListener, error) {
	if f.metrics == "" {
		return nil, nil
	}
	address, err := f.metricsAddress()
	if err != nil {
		return nil, err
	}
	if address.port.IsValid() {
		l, err := net.Listen("tcp", address.port.String())
		if err != nil {
			return nil, errors.Wrap(err, "cannot show metrics")
		}
		return &metricsListener{l, l.Addr().String(), sync.OnceValue(l.Close)}, nil
	}
	l, err := address.Listen()
	if err != nil {
		return nil, errors.WithMessage(err, "cannot show metrics")
	}
	return &metricsListener{l.Socket(), l.Address(), sync.OnceValue(l.Close)}, nil
}

// showMetrics answers those who look at the metrics. That it cannot is no reason
// to end the service.
func (d *daemon) showMetrics(ctx context.Context, l *metricsListener) {
	defer l.Close()
	if d.idle != nil { // a service that ends when idle has no numbers
		d.idle.Begin()
		defer d.idle.End()
	}
	d.log.Info("showing metrics", "address", l.address)
	if err := d.metrics.Serve(ctx, l); err != nil {
		d.log.Error("metrics are shown no more", "error", err)
	}
}
