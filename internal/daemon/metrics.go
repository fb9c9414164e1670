package daemon

import (
	"context"
	"net"
	"net/netip"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/metrics"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// MetricsAddress is where metrics are served: a TCP port or a socket.
type MetricsAddress struct {
	Socket varlinkwire.Address
	Port   netip.AddrPort // used if it is valid
}

func (m MetricsAddress) String() string {
	if m.Port.IsValid() {
		return m.Port.String()
	}
	return m.Socket.String()
}

// Obstacle returns why the address cannot be listened on now, nil if it can.
func (m MetricsAddress) Obstacle() error {
	if m.Port.IsValid() {
		return nil
	}
	return errors.WithMessage(m.Socket.Obstacle(), "cannot serve metrics")
}

// metricsListener is a listener for metrics.
type metricsListener struct {
	net.Listener
	address string
}

// listen begins to listen. closeIt ends the listener, and can be called again.
func (m MetricsAddress) listen() (l *metricsListener, closeIt func() error, err error) {
	if m.Port.IsValid() {
		tcp, err := net.Listen("tcp", m.Port.String())
		if err != nil {
			return nil, nil, errors.Wrap(err, "cannot serve metrics")
		}
		return &metricsListener{tcp, tcp.Addr().String()}, tcp.Close, nil
	}
	socket, err := m.Socket.Listen()
	if err != nil {
		return nil, nil, errors.WithMessage(err, "cannot serve metrics")
	}
	return &metricsListener{socket.Socket(), socket.Address()}, socket.Close, nil
}

// Serve serves metrics there until the context ends.
func (m MetricsAddress) Serve(ctx context.Context, shown *metrics.Metrics) error {
	l, closeIt, err := m.listen()
	if err != nil {
		return err
	}
	defer func() { _ = closeIt() }() // removes the socket
	return shown.Serve(ctx, l)
}

// showMetrics serves the metrics. A failure does not end the service.
func (d *daemon) showMetrics(ctx context.Context) {
	if d.idle != nil { // a service that exits when idle serves no metrics
		d.idle.Begin()
		defer d.idle.End()
	}
	d.log.Info("serving metrics", "address", d.shown.address)
	if err := d.metrics.Serve(ctx, d.shown); err != nil {
		d.log.Error("metrics are no longer served", "error", err)
	}
}
