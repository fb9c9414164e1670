// Package command is the command line of eventsvc-updater, also available as "eventsvc
// auto-update".
package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/autoupdate/eventlog"
	"github.com/eventsvc/eventsvc/internal/autoupdate/podman"
	"github.com/eventsvc/eventsvc/internal/autoupdate/registry"
	"github.com/eventsvc/eventsvc/internal/autoupdate/units"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/flags"
	"github.com/eventsvc/eventsvc/internal/version"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// Main runs the command line of the process and returns its exit code. A signal ends it
// cleanly: the next run continues what is in progress.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := &app{stdout: os.Stdout, stderr: os.Stderr}
	root := a.root()
	root.SetArgs(os.Args[1:])
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(a.stderr, root.CommandPath()+": "+visible.Text(err.Error()))
		return autoupdate.ExitUsage
	}
	return a.code
}

// Command returns the commands, for generating the manual pages.
func Command() *cobra.Command { return (&app{}).root() }

type app struct {
	stdout, stderr io.Writer
	code           int

	stateDir, address, format string
	progress, checkConfig     bool
	options                   autoupdate.Options
}

const long = `Auto-update looks for new images of the containers that run in systemd units and
have the label io.containers.autoupdate (AutoUpdate= in a Quadlet file), pulls
them, restarts the units, and watches each until it has settled: the unit stays
active, the container runs the new image, and it is healthy if it has a health
check. If an update fails, all units of that image go back to the old one, and
the new digest is not tried again for a day, then two, four and so on. Another
digest is tried at once.

Without UNIT it does so for all these units. Each outcome is written as an event
of type container and status auto-update.

The labels io.eventsvc.autoupdate.mode (apply, pull, check), .settle (how long a
restarted container is watched, 10s), .min-age (how long a new digest must have
been seen) and .window (a calendar event: the minutes in which a new image may
be applied) change this for one container.

The exit code is

  0    nothing is wrong
  1    the command line was wrong, or the program itself failed
  2    something could not be checked, pulled or updated
  3    something was rolled back
  4    a unit is down because of this run`

func (a *app) root() *cobra.Command {
	const program = "eventsvc-updater"
	rollback := true
	root := &cobra.Command{
		Use: program + " [flags] [UNIT...]", Short: "Update the containers of systemd units, and verify each update", Long: long,
		SilenceErrors: true, SilenceUsage: true, Version: version.Version,
		// The name that help and errors show: 'eventsvc auto-update' sets it to its own.
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: cmp.Or(os.Getenv("EVENTSVC_COMMAND"), program)},
		Args:        cobra.ArbitraryArgs,
		PersistentPreRunE: func(c *cobra.Command, words []string) error {
			if slices.Contains(words, "") {
				return errors.Errorf("cannot use %q: give a name, or leave it out; see '%s --help'", "", c.CommandPath())
			}
			if err := flags.RefuseEmpty(c.Flags()); err != nil || a.stateDir != "" {
				return err
			}
			var err error
			a.stateDir, err = config.StateDir(config.Host(), "eventsvc-updater", "the state of auto-update", "give --state-dir")
			return err
		},
		RunE: func(c *cobra.Command, units []string) error {
			a.options.Units, a.options.NoRollback = units, !rollback
			return a.run(c.Context())
		},
	}
	all := root.PersistentFlags()
	all.StringVar(&a.stateDir, "state-dir", "", "keep the state in `DIR` (default: /var/lib/eventsvc-updater, a user's in ~/.local/state)")
	all.StringVar(&a.address, "address", "", "`ADDRESS` of the event service (default: the one of this user)")
	all.StringVar(&a.format, "format", "table", "print as `FORMAT`: table, json, or a Go template")
	all.DurationVar(&a.options.LockTime, "lock-timeout", 30*time.Second, "wait this `TIME` at most for another run to end")
	f := root.Flags()
	f.BoolVar(&a.options.DryRun, "dry-run", false, "only look for new images")
	f.BoolVar(&a.options.PullOnly, "pull-only", false, "pull new images, restart nothing")
	f.BoolVar(&rollback, "rollback", true, "go back to the old image if an update fails")
	f.StringVar(&a.options.AuthFile, "authfile", os.Getenv("REGISTRY_AUTH_FILE"), "read registry credentials from `FILE`")
	f.BoolVar(&a.options.BesidePodman, "beside-podman", false, "run although podman-auto-update.timer is enabled")
	f.BoolVar(&a.progress, "progress", isTerminal(os.Stderr), "print each step on stderr (default: if that is a terminal)")
	f.BoolVar(&a.checkConfig, "check-config", false, "check the state directory, Podman, systemd and the event service, and exit")
	root.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the managed containers, and why one cannot be updated", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return a.list(c.Context()) },
		},
		&cobra.Command{
			Use: "rollback UNIT", Short: "Go back to the image before the last update, and hold the newer one", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, words []string) error { return a.rollback(c.Context(), words[0]) },
		},
		&cobra.Command{
			Use: "hold IMAGE [DIGEST]", Short: "Keep an image from being updated, at all or to one digest", Args: cobra.RangeArgs(1, 2),
			RunE: func(c *cobra.Command, words []string) error {
				return a.updater(nil, nil).Hold(c.Context(), words[0], append(words, "")[1], a.options.LockTime)
			},
		},
		&cobra.Command{
			Use: "release IMAGE", Short: "End the hold of an image", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, words []string) error {
				return a.updater(nil, nil).Release(c.Context(), words[0], a.options.LockTime)
			},
		},
		&cobra.Command{
			Use: "runs", Short: "Print the last runs and what is on hold", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.runs() },
		},
		a.serveCommand(),
	)
	return root
}

func (a *app) updater(systemd autoupdate.Systemd, feed autoupdate.Feed) *autoupdate.Updater {
	u := &autoupdate.Updater{
		Podman: podman.Program{}, Systemd: systemd, Registry: registry.New(), Feed: feed, Clock: autoupdate.SystemClock{},
		Dir: a.stateDir,
	}
	if a.progress {
		u.Progress = a.step
	}
	return u
}

// open connects to systemd and to the events. The returned function closes the
// connections.
func (a *app) open(ctx context.Context) (*autoupdate.Updater, func(), error) {
	manager, err := units.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	feed, err := eventlog.Open(ctx, a.address, hostStore)
	if err != nil {
		manager.Close()
		return nil, nil, err
	}
	return a.updater(manager, feed), func() {
		if c, ok := feed.(io.Closer); ok {
			_ = c.Close()
		}
		manager.Close()
	}, nil
}

// with calls do with a connected updater.
func (a *app) with(ctx context.Context, do func(*autoupdate.Updater) error) error {
	u, end, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	return do(u)
}

// hostStore returns the store that this host's Podman uses.
func hostStore() (events.EventerOptions, error) {
	found, err := config.Discover(config.Host())
	return events.EventerOptions{EventerType: found.Backend, LogFilePath: found.Path}, err
}

func (a *app) run(ctx context.Context) error {
	if a.options.DryRun && !a.checkConfig {
		report, err := a.updater(nil, nil).Run(ctx, a.options)
		return a.report(report, err)
	}
	return a.with(ctx, func(u *autoupdate.Updater) error {
		if a.checkConfig {
			if _, err := u.List(ctx); err != nil {
				return err
			}
			if _, _, err := u.Runs(); err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "state in", a.stateDir)
			return nil
		}
		return a.report(u.Run(ctx, a.options))
	})
}

func (a *app) rollback(ctx context.Context, unit string) error {
	return a.with(ctx, func(u *autoupdate.Updater) error {
		report, err := u.Rollback(ctx, unit, a.options.LockTime)
		if err == nil {
			// The rollback was requested: only a unit that is down is a failure.
			for i := range report.Results {
				if report.Results[i].Result == autoupdate.RolledBack {
					report.Results[i].Error = ""
				}
			}
		}
		err = a.report(report, err)
		if a.code == autoupdate.ExitRolledBack {
			a.code = autoupdate.ExitOK
		}
		return err
	})
}

// report prints a run.
func (a *app) report(r autoupdate.Report, err error) error {
	if err != nil {
		return err
	}
	a.code = r.ExitCode()
	return errors.Wrap(a.print(r.Results), "cannot print the result")
}
