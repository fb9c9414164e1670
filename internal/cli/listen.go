package cli

import (
	"slices"

	"github.com/pkg/errors"

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
