// Package calls carries out the calls of auto-update, once for the interfaces
// io.podman.autoupdate (Varlink) and io.podman.AutoUpdate1 (D-Bus): who may call, what
// is done, what went wrong. It knows neither interface.
package calls

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

const (
	// lockTime is how long a call waits for another run to end: less than the 25
	// seconds after which D-Bus clients time out.
	lockTime = 10 * time.Second
	// keptSteps is how many steps are queued for a client; a slower one misses steps.
	keptSteps = 256
)

// Opener connects to everything a run needs. The steps of the run go to progress. The
// returned function closes the connections.
type Opener func(ctx context.Context, progress func(autoupdate.Step)) (*autoupdate.Updater, func(), error)

// Calls carries out calls. It is safe for concurrent use.
type Calls struct {
	// Policy admits root and the service's user only.
	Policy   *access.Policy
	look     func() *autoupdate.Updater
	open     Opener
	activity activity.Counter
	ctx      context.Context // ends when runs must end
	cancel   context.CancelFunc
	runs     sync.WaitGroup
}

// New returns the calls of a service. look returns an updater for calls that change no
// container, and so need neither systemd nor events. Denials go to the log.
func New(look func() *autoupdate.Updater, open Opener, counter activity.Counter, log *slog.Logger) *Calls {
	c := &Calls{Policy: access.NewPolicy(access.Allowed{}, access.Allowed{}, log), look: look, open: open, activity: counter}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Stop interrupts the runs and waits until they have ended. The next run finishes them.
func (c *Calls) Stop() {
	c.cancel()
	c.runs.Wait()
}

// May returns an error if the peer may not call.
func (c *Calls) May(peer *access.Peer) error { return c.Policy.MayControl(peer, false) }

// List returns the managed containers.
func (c *Calls) List(ctx context.Context) ([]autoupdate.Managed, error) { return c.look().List(ctx) }

// Check looks for new images and changes nothing.
func (c *Calls) Check(ctx context.Context, units []string, authFile string) (autoupdate.Report, error) {
	return c.look().Run(ctx, autoupdate.Options{Units: units, AuthFile: authFile, DryRun: true, LockTime: lockTime})
}

// Hold keeps an image from being updated: to one digest or, if that is empty, to any.
func (c *Calls) Hold(ctx context.Context, image, digest string) error {
	return c.look().Hold(ctx, image, digest, lockTime)
}

// Release ends the hold of an image.
func (c *Calls) Release(ctx context.Context, image string) error {
	return c.look().Release(ctx, image, lockTime)
}

// Runs returns the last runs, the newest last, and the holds by image name.
func (c *Calls) Runs() ([]autoupdate.Report, map[string]autoupdate.Hold, error) {
	return c.look().Runs()
}

// Update begins a run that applies new images.
func (c *Calls) Update(o autoupdate.Options) (*Run, error) {
	o.LockTime = lockTime
	return c.start(func(u *autoupdate.Updater) (autoupdate.Report, error) { return u.Run(c.ctx, o) })
}

// Rollback begins to undo the last update of a unit.
func (c *Calls) Rollback(unit string) (*Run, error) {
	return c.start(func(u *autoupdate.Updater) (autoupdate.Report, error) { return u.Rollback(c.ctx, unit, lockTime) })
}

// Run is a run in progress. It continues whether or not a client follows it.
type Run struct {
	// ID names it.
	ID string
	// Steps are its steps. It is closed when the run has ended.
	Steps <-chan autoupdate.Step

	report autoupdate.Report
	err    error
}

// Result returns the outcome. It may be called once Steps is closed.
func (r *Run) Result() (autoupdate.Report, error) { return r.report, r.err }

// start begins a run and returns once it has an ID. An error means that it did not
// begin.
func (c *Calls) start(do func(*autoupdate.Updater) (autoupdate.Report, error)) (*Run, error) {
	steps := make(chan autoupdate.Step, keptSteps)
	r := &Run{Steps: steps}
	progress := func(s autoupdate.Step) {
		select {
		case steps <- s:
		default:
		}
	}
	c.activity.Begin()
	c.runs.Go(func() {
		defer c.activity.End()
		defer close(steps)
		u, end, err := c.open(c.ctx, progress)
		if err != nil {
			r.err = err
			return
		}
		defer end()
		r.report, r.err = do(u)
	})
	first, begun := <-steps
	if !begun {
		return nil, r.err
	}
	r.ID = first.Object
	return r, nil
}
