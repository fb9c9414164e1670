package cli

import (
	"bufio"
	"context"
	"os"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/state"
)

// waitFlags are the flags of eventsvc wait.
type waitFlags struct {
	eventsFlags
	timeout time.Duration
	orNow   bool
}

const waitLong = `Wait for an event that passes the filters, print it and exit with 0. Filters,
times, formats and whose events you get are as in 'eventsvc events'.

A command after -- is started only once every event from then on will be seen,
so what it causes cannot be missed, however fast it is. It runs while wait is
waiting. Its output goes to stderr, so that stdout has only the event.

  0    the event happened, and the command, if there is one, succeeded
  124  it did not happen in time; a command that was still running got SIGTERM
  126  the command cannot be run
  127  there is no such command
  else the exit code of the command, if it failed: at once, since what it was
       to cause will not happen; or one of 'eventsvc help exit-codes'

Without a command only events from now on count, and what a script started
earlier may already be over. With --since or --after-cursor, past events count,
too.

With --or-now it exits at once if the state is already reached: if the newest of the
events that decide it, for the object by its present name, matches. These events are:

  start, restart    create, start, restart, restore, died, remove
  died, exit-code   create, start, restart, restore, died
  health            start, restart, restore, died, remove, health_status
  create, remove    create, remove
  pause, unpause    both, and those for start
  mount, tag, pull  and their opposites

Only events that the store still holds count, and nothing else. What follows is
seen without a gap.`

const waitExample = `  eventsvc wait --filter container=web --filter event=died -- podman start web
  eventsvc wait --timeout 30s --filter container=db --filter event=start
  code=$(eventsvc wait -f container=job -f event=died --format '{{.ContainerExitCode}}' -- podman start job)
  eventsvc wait --filter event=died --after-cursor "$cursor"
  eventsvc wait --or-now --filter container=db --filter health=healthy && start-the-app`

// errTimedOut is returned when no matching event arrived in time.
var errTimedOut = errors.New("timed out: no matching event")

func (a *app) waitCommand() *cobra.Command {
	var f waitFlags
	c := &cobra.Command{
		Use:     "wait [flags] [-- COMMAND ARGUMENT...]",
		Short:   "Wait for an event",
		Long:    waitLong,
		Example: waitExample,
		Args:    onlyAfterDash,
		RunE:    func(c *cobra.Command, words []string) error { return a.wait(c.Context(), &f, words) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	filterFlags(c, &f.eventsFlags, "wait for an event that matches `FILTER`, KEY=VALUE; may be repeated")
	flags.Var((*span)(&f.timeout), "timeout", "give up after this `TIME`, such as 90s, 10m or seconds; 0: never (default)")
	flags.BoolVar(&f.orNow, "or-now", false, "exit at once if the state is already reached: if the newest of\n"+
		"the events that decide it matches")
	flags.StringVar(&f.since, "since", "", "events later than this `TIME` count, too")
	flags.StringVar(&f.afterCursor, "after-cursor", "", "events after the one with this `CURSOR` count, too")
	formatFlags(c, &f.eventsFlags)
	addressFlag(c, &f.address)
	complete(c, "timeout", anyOf("30s", "5m", "1h"), 0)
	complete(c, "since", anyOf("10m", "1h"), 0)
	complete(c, "after-cursor", anyOf(), 0)
	completeCommand(c)
	return c
}

// onlyAfterDash refuses arguments before --.
func onlyAfterDash(c *cobra.Command, words []string) error {
	before := c.ArgsLenAtDash()
	if before < 0 && len(words) > 0 && words[0] != "true" && words[0] != "false" && !strings.Contains(words[0], "=") {
		return errors.Errorf("cannot use %q: give a command after --, as in '%s … -- %s'", words[0], c.CommandPath(), strings.Join(words, " "))
	}
	if before < 0 {
		before = len(words)
	}
	return noWords(c, words[:before])
}

// completeCommand leaves the completion of what is after -- to the shell, as files.
func completeCommand(c *cobra.Command) {
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
}

func (a *app) wait(ctx context.Context, f *waitFlags, words []string) error {
	printEvent, err := newPrinter(&f.eventsFlags, a.stdout)
	if err != nil {
		return err
	}
	if err := f.resolveTimes(time.Now()); err != nil {
		return err
	}
	var question *state.Question
	if f.orNow {
		if question, err = f.question(len(words) > 0); err != nil {
			return errors.WithMessage(err, "cannot use --or-now")
		}
	}
	if len(words) > 0 {
		if err := findCommand(words); err != nil {
			return err
		}
	}
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	f.ifExpired = expiredStop
	run := &eventsRun{app: a, flags: &f.eventsFlags, out: bufio.NewWriter(a.stdout), print: printEvent}
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, errTimedOut)
		defer cancel()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run.cancel, run.stream = cancel, true
	after := f.afterCursor
	if question != nil {
		var e events.Event
		var so bool
		if e, so, after, err = run.now(ctx, c, question); err != nil {
			return causeOf(ctx, err)
		}
		if so {
			return run.printAll(e)
		}
	}
	from, err := run.open(ctx, c, after)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer from.Close()
	if len(words) == 0 {
		return run.printNext(ctx, from)
	}
	return run.printNextBeside(ctx, cancel, from, words)
}

// causeOf returns why the context ended, if that is what err reports.
func causeOf(ctx context.Context, err error) error {
	var signal interrupted
	cause := context.Cause(ctx)
	if cause != nil && !errors.As(cause, &signal) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return cause
	}
	return err
}

// printNext prints the next event.
func (r *eventsRun) printNext(ctx context.Context, from source) error {
	var e events.Event
	if err := from.NextInto(ctx, &e); err != nil {
		return causeOf(ctx, err)
	}
	return r.printAll(e)
}

func (r *eventsRun) printAll(e events.Event) error {
	e.Time = e.Time.Local()
	if err := r.print(r.out, &e); err != nil {
		return err
	}
	return r.keep(e.Cursor)
}

// printNextBeside prints the next event while a command runs. If the command fails, the
// waiting ends; in any case the end of the command is waited for.
func (r *eventsRun) printNextBeside(ctx context.Context, cancel context.CancelCauseFunc, from source, words []string) error {
	stdin, _ := r.stdin.(*os.File)
	command, err := r.startChild(words, os.Environ(), stdin, nil, false)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := command.wait(ctx)
		if err != nil {
			cancel(err) // no more events will follow
		}
		ended <- err
	}()
	err = r.printNext(ctx, from)
	if err != nil {
		cancel(err)
	}
	failed := <-ended
	var ofCommand *commandError
	if err != nil && !errors.As(err, &ofCommand) {
		return err
	}
	return failed
}
