package autoupdate

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// Image is an image in Podman's storage.
type Image struct {
	// ID is the full ID.
	ID string
	// Digests are those of the manifest and of the indexes through which it was pulled.
	Digests []string
	// OS, Architecture and Variant are its platform.
	OS, Architecture, Variant string
}

// ContainerState is the present state of a container.
type ContainerState struct {
	Container
	// Running reports whether its process is running.
	Running bool
	// HasHealthCheck reports whether it has a health check; Health is the check's
	// status: starting, healthy, unhealthy.
	HasHealthCheck bool
	Health         string
}

// Podman is the container engine of one user.
type Podman interface {
	// Containers lists the running containers, infra containers included.
	Containers(ctx context.Context) ([]Container, error)
	// Inspect returns the states of containers, given by name or ID; those that do not
	// exist are left out.
	Inspect(ctx context.Context, names ...string) ([]ContainerState, error)
	// Images returns images by name or ID; those that do not exist are left out.
	Images(ctx context.Context, names ...string) ([]Image, error)
	// Pull pulls an image by its name.
	Pull(ctx context.Context, name, authFile string) error
	// Tag gives an image a name.
	Tag(ctx context.Context, id, name string) error
	// FreeBytes returns the free space where images are stored. Naming a container
	// makes this faster.
	FreeBytes(ctx context.Context, container string) (uint64, error)
}

// Unit is a unit of systemd.
type Unit struct {
	// Name is its name.
	Name string
	// ActiveState and Result are systemd's words: "active", "failed"; "success",
	// "exit-code".
	ActiveState, Result string
	// Invocation identifies the current run of the unit.
	Invocation string
	// Dependants are the units that systemd stops with this one.
	Dependants []string
}

// Systemd is a service manager.
type Systemd interface {
	// Unit returns a unit.
	Unit(ctx context.Context, name string) (Unit, error)
	// Restart restarts a unit, Start starts it. Both return the result of the job,
	// "done" if it succeeded.
	Restart(ctx context.Context, name string) (string, error)
	Start(ctx context.Context, name string) (string, error)
	// Enabled reports whether a unit file is enabled.
	Enabled(ctx context.Context, name string) (bool, error)
	// During reports whether a time is in a minute matched by a calendar event.
	During(ctx context.Context, calendar string, t time.Time) (bool, error)
}

// Remote is what a name refers to in a registry.
type Remote struct {
	// Digest is the digest of the manifest or index.
	Digest string
	// Instance is the digest of the manifest for the platform asked for; equal
	// to Digest unless that is an index.
	Instance string
	// Size is the total size of the layers in bytes, 0 if it is not known.
	Size int64
}

// Registry queries registries. It is safe for concurrent use.
type Registry interface {
	// Digest returns the digest that a name refers to now, with one small request.
	Digest(ctx context.Context, name, authFile string) (string, error)
	// Resolve finds the manifest for the platform of an image.
	Resolve(ctx context.Context, name, authFile string, like Image) (Remote, error)
	// Host returns the registry of a name.
	Host(name string) string
	// Requests returns how many requests have been made so far.
	Requests() int
	// Pinned reports whether the name has a digest.
	Pinned(name string) bool
}

// Feed delivers container events.
type Feed interface {
	// Follow subscribes; every event after its return is delivered. The channel is
	// closed when the context ends, or when no more can be delivered.
	Follow(ctx context.Context) (<-chan events.Event, error)
	// Write stores an event.
	Write(ctx context.Context, e events.Event) error
}

// Clock provides the time; tests have their own.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// SystemClock is the clock of the system.
type SystemClock struct{}

// Now returns the time.
func (SystemClock) Now() time.Time { return time.Now() }

// After sends the time once d is over.
func (SystemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
