package iopodman

import (
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// New returns the interface io.podman, to be served alongside io.podman.events. It
// registers its frame format, so the feed of the core must not have been started yet.
// GetVersion reports the version.
func New(c *core.Core, version string) varlinkwire.Interface {
	f := &handler{core: c, format: c.Register(appendEventFrame), version: version}
	return varlinkwire.Interface{Dispatcher: VarlinkNew(f), Unavailable: unavailable, IsPartOfMore: true}
}

// handler handles the calls of io.podman.
type handler struct {
	core    *core.Core
	format  *feed.Format
	version string
}

// errorOccurred is the only error whose parameters an old client prints; of any other
// it prints only the name.
const errorOccurred = "io.podman.ErrorOccurred"

// unavailable returns the error for a call that cannot be served.
func unavailable(reason string) (name string, parameters any) {
	return errorOccurred, ErrorOccurred{Reason: reason}
}
