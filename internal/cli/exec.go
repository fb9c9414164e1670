package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sleep"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// execFlags are the flags of eventsvc exec.
type execFlags struct {
	eventsFlags
	jobs      int
	onFailure string
	debounce  time.Duration // for hooks

	hooks, check bool
	hooksDir     string
}

// The values of --on-failure.
const (
	failureContinue = "continue"
	failureStop     = "stop"
	failureRetry    = "retry"
)

const execLong = `Run a command for each event that passes the filters. Filters, times, where to
begin, and whose events you get are as in 'eventsvc events': your own, unless
--all-users or a filter on uid asks for those of others. In the journal, every
local user can write entries that look like events of Podman.

The command gets the event as a line of JSON on stdin, as 'eventsvc events
--format json' prints it, and in its environment:

  EVENTSVC_TYPE EVENTSVC_STATUS EVENTSVC_TIME EVENTSVC_CURSOR
  EVENTSVC_ID EVENTSVC_NAME EVENTSVC_IMAGE EVENTSVC_POD_ID EVENTSVC_NETWORK
  EVENTSVC_EXIT_CODE EVENTSVC_ERROR EVENTSVC_HEALTH_STATUS
  EVENTSVC_ATTRIBUTES (a JSON object) EVENTSVC_UID EVENTSVC_HOST

A variable is set if the event has that field. A NUL character, which no
environment can hold, becomes U+FFFD there, and a value longer than 96 KiB is
left out; the JSON has everything unchanged.

Commands run one at a time, in the order of the events; with --jobs they run in
parallel, started in that order. With a cursor file, every event gets its
command at least once, also across runs: the cursor of an event is saved once
its command, and those of all events before it, have ended as --on-failure wants.

A signal that ends this command is passed on to the commands that are running,
and it waits for them.

With --hooks it does the same for every file in /etc/eventsvc/hooks.d (a user's
are in ~/.config/eventsvc/hooks.d), each with its own filters and command.
eventsvc.hooks(5) describes their keys.`

const execExample = `  eventsvc exec --filter event=died -- sh -c 'logger "$EVENTSVC_NAME ended with $EVENTSVC_EXIT_CODE"'
  eventsvc exec --cursor-file /var/lib/hook/cursor --on-failure retry --filter type=image -- /usr/local/bin/scan
  eventsvc exec --jobs 4 --filter label=backup -- backup-one
  eventsvc exec --since 24h --stream=false --filter event=died -- jq -r .Name
  eventsvc exec --hooks --check-config`

func (a *app) execCommand() *cobra.Command {
	var f execFlags
	c := &cobra.Command{
		Use:     "exec [flags] {-- COMMAND ARGUMENT... | --hooks}",
		Short:   "Run a command for each event",
		Long:    execLong,
		Example: execExample,
		Args:    onlyAfterDash,
		RunE: func(c *cobra.Command, words []string) error {
			if f.hooks || f.hooksDir != "" || f.check {
				return a.execHooks(c.Context(), &f, c.Flags(), words)
			}
			return a.exec(c.Context(), &f, words)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	rangeFlags(c, &f.eventsFlags)
	flags.IntVar(&f.jobs, "jobs", 1, "run at most this `NUMBER` of commands in parallel")
	flags.StringVar(&f.onFailure, "on-failure", failureContinue, "when a command fails: `ACTION` is continue, stop (with its exit code)\n"+
		"or retry (after 1 s, then longer, up to 1 min, until it succeeds)")
	cursorFlags(c, &f.eventsFlags, "done")
	flags.BoolVar(&f.hooks, "hooks", false, "run the hooks of this host or user, as eventsvc-hooks.service does: see\n"+
		"eventsvc.hooks(5)")
	flags.StringVar(&f.hooksDir, "hooks-dir", "", "run the hooks in `DIR` instead")
	flags.BoolVar(&f.check, checkFlag, false, "with --hooks: print what they would do, and what is wrong with them")
	addressFlag(c, &f.address)
	complete(c, "on-failure", anyOf(failureContinue, failureStop, failureRetry), 0)
	complete(c, "jobs", anyOf("2", "4", "8"), 0)
	completeCommand(c)
	return c
}

// maxJobs bounds the commands that run in parallel.
const maxJobs = 1024

func (f *execFlags) validate() error {
	switch f.onFailure {
	case failureContinue, failureStop, failureRetry:
	default:
		return errors.Errorf("cannot use --on-failure %s: it must be %s, %s or %s", f.onFailure, failureContinue, failureStop, failureRetry)
	}
	if f.jobs < 1 || f.jobs > maxJobs {
		return errors.Errorf("cannot use --jobs %d: must be between 1 and %d", f.jobs, maxJobs)
	}
	return f.checkExpired()
}

func (a *app) exec(ctx context.Context, f *execFlags, words []string) error {
	if err := f.validate(); err != nil {
		return err
	}
	if err := f.resolveTimes(time.Now()); err != nil {
		return err
	}
	if err := findCommand(words); err != nil {
		return err
	}
	return a.forEach(ctx, f, &action{words: func(*events.Event) []string { return words }, onFailure: f.onFailure})
}

// forEach runs an action for each event that the flags select, until there are no more.
func (a *app) forEach(ctx context.Context, f *execFlags, do *action) error {
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &eventsRun{app: a, flags: &f.eventsFlags, out: bufio.NewWriter(io.Discard), stream: f.stream, cancel: cancel}
	after, err := run.begin()
	if err != nil {
		return err
	}
	jobs := &jobs{
		run:      func(e *events.Event) error { return a.runFor(ctx, e, do) },
		done:     run.keep,
		end:      cancel,
		slots:    make(chan struct{}, f.jobs),
		debounce: f.debounce,
	}
	run.mark = jobs.pass
	from, err := run.open(ctx, c, after)
	if err == nil {
		err = jobs.work(ctx, from)
		_ = from.Close()
	}
	if failed := failure(ctx); failed != nil {
		return failed
	}
	if err == nil && jobs.failures > 0 {
		return errors.Errorf("the command failed for %d of the events", jobs.failures)
	}
	return run.explain(err)
}

// action is what to do for an event.
type action struct {
	words     func(e *events.Event) []string // the command
	onFailure string
	timeout   time.Duration // after which the command is ended; 0: never
}

// The pauses before a failed command is tried again.
const (
	retryFirst = time.Second
	retryMost  = time.Minute
)

// runFor runs the command for one event. The error says that it failed, or that no more
// commands are to be run after it (stopWork).
func (a *app) runFor(ctx context.Context, e *events.Event, do *action) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		err := a.runOnce(ctx, e, do)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return &stopWork{ctx.Err()} // it may have been interrupted
		case do.onFailure == failureStop:
			return &stopWork{err}
		case do.onFailure == failureContinue:
			a.say("%v, for %s", err, describe(e))
			return err
		}
		a.say("%v, for %s; trying again in %v", err, describe(e), pause)
		if !sleep.For(ctx, pause) {
			return &stopWork{ctx.Err()}
		}
	}
}

func describe(e *events.Event) string {
	return visible.Text(string(e.Type) + " " + string(e.Status) + " " + e.Name + " (cursor " + e.Cursor + ")")
}

// stopWork is returned when no more commands are to be run, and the current event does
// not count as done.
type stopWork struct{ cause error }

func (e *stopWork) Error() string { return e.cause.Error() }
func (e *stopWork) Unwrap() error { return e.cause }

func (a *app) runOnce(ctx context.Context, e *events.Event, do *action) error {
	stdin, err := fileOf(append(e.AppendOutputJSON(nil), '\n'))
	if err != nil {
		return err
	}
	defer stdin.Close()
	environment, err := eventEnvironment(os.Environ(), e)
	if err != nil {
		return err
	}
	stdout, _ := a.stdout.(*os.File)
	command, err := a.startChild(do.words(e), environment, stdin, stdout, do.timeout > 0)
	if err != nil {
		return err
	}
	if do.timeout == 0 {
		return command.wait(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, do.timeout)
	defer cancel()
	err = command.wait(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return errors.Errorf("the command %s did not end within %v", command.words[0], do.timeout)
	}
	return err
}
