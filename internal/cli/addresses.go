package cli

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// listenAddresses returns the addresses of --listen. A repeated address is refused: a
// socket can have only one kind of access.
func (f *serveFlags) listenAddresses() ([]varlinkwire.Address, error) {
	var addresses []varlinkwire.Address
	for _, text := range f.listen {
		address, err := varlinkwire.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		if hasPath(addresses, address.Path) {
			return nil, errors.Errorf("cannot listen on %q: it is given twice; leave one of them out", address.Path)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

func hasPath(addresses []varlinkwire.Address, path string) bool {
	return slices.ContainsFunc(addresses, func(a varlinkwire.Address) bool { return a.Path == path })
}

// public is the suffix of an address of --metrics that allows access from the network.
const public = ",public"

// metricsAddress returns the address of --metrics.
func (f *serveFlags) metricsAddress() (m daemon.MetricsAddress, err error) {
	if m, err = parseMetricsAddress(f.metrics); err != nil || m.Port.IsValid() {
		return m, err
	}
	if listen, _ := f.listenAddresses(); hasPath(listen, m.Socket.Path) {
		return m, errors.Errorf("cannot serve metrics: cannot listen on %q: the service itself listens there; choose another path", m.Socket.Path)
	}
	return m, nil
}

// parseMetricsAddress parses the value of --metrics.
func parseMetricsAddress(address string) (m daemon.MetricsAddress, err error) {
	defer func() { err = errors.WithMessage(err, "cannot serve metrics") }()
	text, isPublic := strings.CutSuffix(address, public)
	if m.Port, err = netip.ParseAddrPort(text); err == nil {
		if !isPublic && !m.Port.Addr().IsLoopback() {
			return m, errors.Errorf("%s can be reached from the network, and the metrics name containers and images: "+
				"give 127.0.0.1:%d, or add %s", m.Port, m.Port.Port(), public)
		}
		return m, nil
	}
	if !strings.HasPrefix(address, "unix:") {
		return m, errors.Errorf("cannot listen on %q: give unix:PATH[,mode=0600], or an IP address and a port such as 127.0.0.1:9401 or [::1]:9401", address)
	}
	if m.Socket, err = varlinkwire.ParseAddress(address); err != nil {
		return m, err
	}
	if m.Socket.ReadOnly {
		return m, errors.New("every write there would be refused; leave readonly out")
	}
	return m, nil
}
