package iopodman

import (
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/service"
)

// Options say what is served and to whom. Feed is needed; the zero value of
// each other field means its default.
type Options struct {
	// Feed is where the events come from. New registers the form of its frames
	// with it, so the feed must not have been started yet.
	Feed *feed.Feed
	// Access decides who may read; nil: root and the user of the service read
	// everything, others the events of their own uid.
	Access *access.Policy
	// Version is what GetVersion says.
	Version string
	// Logger is told what an administrator should know; nil: nobody is.
	Logger *slog.Logger
}

// New returns the interface io.podman, to be served beside io.podman.events.
func New(o Options) (service.Interface, error) {
	if o.Feed == nil {
		return service.Interface{}, errors.New("cannot serve podman-remote: there is no feed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Access == nil {
		o.Access = access.NewPolicy(access.Allowed{}, access.Allowed{}, o.Logger)
	}
	f := &face{
		feed: o.Feed, format: o.Feed.Register(appendEventFrame), access: o.Access, version: o.Version, log: o.Logger,
	}
	return service.Interface{Dispatcher: VarlinkNew(f), Unavailable: unavailable, IsPartOfMore: true}, nil
}

// face handles the calls of io.podman.
type face struct {
	feed    *feed.Feed
	format  *feed.Format
	access  *access.Policy
	version string
	log     *slog.Logger
}

// errorOccurred is the one error whose parameters an old client prints; of any
// other it prints the name alone.
const errorOccurred = "io.podman.ErrorOccurred"

// unavailable is what is said when a call cannot be served.
func unavailable(reason string) (name string, parameters any) {
	return errorOccurred, ErrorOccurred{Reason: reason}
}
