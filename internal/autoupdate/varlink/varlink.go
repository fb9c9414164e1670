// Package varlink is the Varlink interface io.podman.autoupdate, whose contract is
// io.podman.autoupdate.varlink at the root of this repository: a decoder and an
// encoder. Package calls carries out the calls; varlinkwire is the transport.
package varlink

import (
	"context"
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/autoupdate/calls"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanautoupdate"
)

const name = "io.podman.autoupdate"

// New returns a server of the interface. It holds a descriptor until Shutdown is
// called.
func New(c *calls.Calls, version string, counter activity.Counter, log *slog.Logger) (*varlinkwire.Server, error) {
	may := func(call *varlinkwire.Call) error { return c.May((*access.Peer)(call.Peer())) }
	own := varlinkwire.Interface{
		Dispatcher: iopodmanautoupdate.VarlinkNew(handler{c}),
		Admit:      func(call *varlinkwire.Call, _ string) error { return may(call) },
		Unavailable: func(reason string) (string, any) {
			return name + ".Failed", map[string]string{"reason": reason}
		},
	}
	return varlinkwire.New(varlinkwire.Options{
		Vendor: "eventsvc", Product: "eventsvc-updater", Version: version, URL: "https://github.com/eventsvc/eventsvc",
		Interfaces: []varlinkwire.Interface{own, varlinkwire.Systemd(nil, may)}, Logger: log, Activity: counter,
		IsTrusted: func(p *varlinkwire.Peer) bool { return c.Policy.IsTrusted((*access.Peer)(p)) },
		Account:   func(p *varlinkwire.Peer) uint32 { return c.Policy.Account(p.UID) },
	})
}

// handler answers the calls.
type handler struct{ calls *calls.Calls }

// fail replies to a call about a unit or an image with its error.
func fail(c iopodmanautoupdate.VarlinkCall, err error, subject string) error {
	f := calls.FaultOf(err, subject)
	return varlinkwire.CallOf(c.Conn).ReplyError(name+"."+f.Name, f.Parameters)
}

// List replies with the managed containers.
func (h handler) List(ctx context.Context, c iopodmanautoupdate.VarlinkCall) error {
	all, err := h.calls.List(ctx)
	if err != nil {
		return fail(c, err, "")
	}
	return c.ReplyList(ctx, each(all, container))
}

// Check replies with the new images.
func (h handler) Check(ctx context.Context, c iopodmanautoupdate.VarlinkCall, units *[]string, authFile *string) error {
	report, err := h.calls.Check(ctx, value(units), value(authFile))
	if err != nil {
		return fail(c, err, "")
	}
	return c.ReplyCheck(ctx, each(report.Results, outcome))
}

// Update begins a run and follows it.
func (h handler) Update(ctx context.Context, c iopodmanautoupdate.VarlinkCall, units *[]string, pullOnly, rollback *bool,
	authFile *string, besidePodman *bool,
) error {
	r, err := h.calls.Update(autoupdate.Options{
		Units: value(units), PullOnly: value(pullOnly), NoRollback: rollback != nil && !*rollback, AuthFile: value(authFile),
		BesidePodman: value(besidePodman),
	})
	if err != nil {
		return fail(c, err, "")
	}
	return follow(ctx, &c, r, c.ReplyUpdate, "")
}

// Rollback begins to undo an update and follows it.
func (h handler) Rollback(ctx context.Context, c iopodmanautoupdate.VarlinkCall, unit string) error {
	r, err := h.calls.Rollback(unit)
	if err != nil {
		return fail(c, err, unit)
	}
	return follow(ctx, &c, r, c.ReplyRollback, unit)
}

// follow sends the steps of a run, if the client asked for them, and the result.
func follow(ctx context.Context, c *iopodmanautoupdate.VarlinkCall, r *calls.Run,
	reply func(context.Context, string, *iopodmanautoupdate.Step, *iopodmanautoupdate.Run) error, subject string,
) error {
	call := varlinkwire.CallOf(c.Conn)
	watched, stop, err := call.Watch(ctx)
	if err != nil {
		return fail(*c, err, subject)
	}
	defer stop()
	c.Continues = call.More()
	if c.Continues {
		if err := reply(ctx, r.ID, nil, nil); err != nil {
			return err
		}
	}
	gone := watched.Done()
	for {
		select {
		case s, more := <-r.Steps:
			switch {
			case more && c.Continues:
				if err := reply(ctx, r.ID, step(s), nil); err != nil {
					return err
				}
			case !more:
				report, err := r.Result()
				if err != nil {
					return fail(*c, err, subject)
				}
				c.Continues = false
				return reply(ctx, r.ID, nil, new(run(report)))
			}
		case <-gone:
			if err := context.Cause(watched); !errors.Is(err, varlinkwire.ErrStopping) {
				return err
			}
			gone = nil // the run is interrupted, and ends soon
		}
	}
}

// Hold puts an image on hold.
func (h handler) Hold(ctx context.Context, c iopodmanautoupdate.VarlinkCall, image string, digest *string) error {
	if digest != nil && *digest == "" {
		return varlinkwire.CallOf(c.Conn).Reply(varlinkwire.InvalidParameter("digest"))
	}
	if err := h.calls.Hold(ctx, image, value(digest)); err != nil {
		return fail(c, err, image)
	}
	return c.ReplyHold(ctx)
}

// Release ends a hold.
func (h handler) Release(ctx context.Context, c iopodmanautoupdate.VarlinkCall, image string) error {
	if err := h.calls.Release(ctx, image); err != nil {
		return fail(c, err, image)
	}
	return c.ReplyRelease(ctx)
}

// GetRuns replies with the last runs and the holds.
func (h handler) GetRuns(ctx context.Context, c iopodmanautoupdate.VarlinkCall) error {
	reports, held, err := h.calls.Runs()
	if err != nil {
		return fail(c, err, "")
	}
	return c.ReplyGetRuns(ctx, each(reports, run), holds(held))
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
