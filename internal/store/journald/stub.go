//go:build !systemd || !cgo

package journald

import (
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/store"
)

// Supported returns nil if the journal can be read, otherwise why not and what to do.
func Supported() error {
	return errors.New("this eventsvc was built without the journal; build it with a C compiler and libsystemd's headers " +
		"(Debian: gcc libsystemd-dev, Fedora: gcc systemd-devel) by make build, or by CGO_ENABLED=1 go build -tags systemd")
}

// Check returns nil: Supported already returns the error.
func Check(string) error { return nil }

// Open returns the error that says why the journal cannot be read.
func Open(Options) (store.Store, error) {
	return nil, errors.WithMessage(Supported(), "cannot open the journal")
}
