package cli

import (
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// listenAddresses are the addresses of --listen. One that is given twice is
// refused: of two kinds of access to one socket only one could be had.
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
	for _, address := range addresses {
		if address.Path == path {
			return true
		}
	}
	return false
}
