package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/flags"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// program is the name of this program in messages.
const program = "eventsvc"

// app is one run of the program.
type app struct {
	// name is how the program was called, so that examples can be copied.
	name   string
	about  string // prefix of messages, such as the name of a hook
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	// signals gets the signals that end the process; nil: another part of the process
	// handles them.
	signals chan os.Signal
	// hangups gets one element for each SIGHUP if a command has called takeHangups: the
	// command does not end with the terminal then.
	hangups atomic.Pointer[chan struct{}]
}

// Main runs the command line of the process and returns its exit code. A signal that
// ends programs ends the command cleanly; a second one ends the process. SIGINT and
// SIGHUP stay ignored if the parent process ignored them, as with nohup or a shell's
// background jobs.
func Main() int {
	signals := make(chan os.Signal, 1)
	a := &app{name: os.Args[0], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signal.Notify(signals, syscall.SIGTERM)
	for _, number := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(number) {
			signal.Notify(signals, number)
		}
	}
	// Requested, so that writing to a reader that has disconnected is an error and does
	// not kill the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		for {
			number, _ := (<-signals).(syscall.Signal)
			if number == syscall.SIGHUP && a.hangUp() {
				continue
			}
			signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			cancel(interrupted(number))
			return
		}
	}()
	return a.run(ctx, os.Args[1:])
}

// takeHangups gives the command SIGHUP, even if it was ignored. The signal then no
// longer ends the command.
func (a *app) takeHangups() <-chan struct{} {
	hangups := make(chan struct{}, 1)
	a.hangups.Store(&hangups)
	if a.signals != nil {
		signal.Notify(a.signals, syscall.SIGHUP)
	}
	return hangups
}

// hangUp handles a SIGHUP. It returns false if it has to end the command: no command
// has called takeHangups, or the terminal that the command logs to is gone.
func (a *app) hangUp() bool {
	hangups := a.hangups.Load()
	if hangups == nil || isTerminalGone(a.stderr) {
		return false
	}
	select {
	case *hangups <- struct{}{}:
	default: // one is queued, and has the same effect
	}
	return true
}

func (a *app) run(ctx context.Context, arguments []string) int {
	root := a.rootCommand()
	root.SetArgs(arguments)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if err != nil && err.Error() != "" && code != exitOK && code < exitSignal {
		a.complain(err)
	}
	return code
}

// Command returns the commands of the program, for generating the manual pages. It must
// not be run.
func Command() *cobra.Command { return (&app{name: program}).rootCommand() }

// complain prints why the command failed.
func (a *app) complain(err error) {
	var file *fs.PathError
	if errors.As(err, &file) && file.Path == os.Stdout.Name() && !strings.HasPrefix(err.Error(), "cannot ") {
		err = errors.WithMessage(err, "cannot write the output")
	}
	if servicelog.IsJournal(a.stderr) {
		servicelog.New(program, a.stderr, nil).Error(err.Error())
		return
	}
	a.say("%v", err)
}

// say prints a line for the user on stderr.
func (a *app) say(format string, arguments ...any) {
	fmt.Fprintln(a.stderr, program+": "+a.about+visible.Text(fmt.Sprintf(format, arguments...)))
}

const rootLong = `eventsvc publishes the container events of this host, in Podman's event model,
over Varlink and D-Bus: past events, and new ones as they happen, in order,
exactly once, and resumable by cursor.`

const exitCodesLong = `The exit code of eventsvc is

  0    the command did what it should
  1    the command line or the call was wrong, or the command failed
  4    permission denied, by the service or by its socket
  7    the service cannot be reached
  10   the cursor has expired: the store no longer holds the place after it,
       so events may be lost (see eventsvc events --if-expired)
  130  interrupted from the keyboard (128 plus the number of the signal; 143 is
       SIGTERM); serve and demo exit with 0 instead

wait, and exec --on-failure stop, pass on the exit code of a command that they
run and that fails.

If the reader of its output goes away, as head does, it exits with 0.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           program,
		Short:         "Container events of this host as a system service",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       versionLine(),
		Args:          unknownCommand,
		RunE:          a.runBare,

		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return flags.RefuseEmpty(c.Flags()) },

		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if hint := foreignFlag(err.Error(), c.Flags()); hint != "" {
			return errors.Errorf("%v; %s", err, hint)
		}
		return errors.Errorf("%v; see '%s --help'", invalidValue(err), c.CommandPath())
	})
	root.AddCommand(
		a.serveCommand(), a.eventsCommand(), a.timelineCommand(), a.waitCommand(), a.execCommand(), a.webhookCommand(), a.writeCommand(), a.stateCommand(), a.statusCommand(), a.bridgeCommand(), a.demoCommand(), a.forwardCommand(), a.collectCommand(), a.hostsCommand(), a.fleetCommand(),
		a.versionCommand(), a.autoUpdateCommand(),
		&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesLong},
	)
	return root
}

// invalidValue says in the user's words which values a flag for a number or a bool takes.
func invalidValue(err error) error {
	var invalid *pflag.InvalidValueError
	var parsing *strconv.NumError
	if !errors.As(err, &invalid) || !errors.As(err, &parsing) {
		return err
	}
	wanted := "a whole number"
	switch {
	case invalid.GetFlag().Value.Type() == "bool":
		wanted = "true or false"
	case errors.Is(parsing, strconv.ErrRange):
		wanted = "a smaller number"
	}
	return errors.Errorf("cannot use --%s=%s: it must be %s", invalid.GetFlag().Name, invalid.GetValue(), wanted)
}

// runBare is eventsvc without a command. If it was started with sockets, as by
// 'varlinkctl info exec:/usr/bin/eventsvc', which cannot pass arguments, it serves
// them; otherwise it prints the help.
func (a *app) runBare(c *cobra.Command, _ []string) error {
	if daemon.HasInherited() {
		serve := a.serveCommand()
		serve.SetContext(c.Context())
		return serve.RunE(serve, nil)
	}
	return c.Help()
}

// unknownCommand returns an error with the nearest command.
func unknownCommand(c *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(words[0]); len(near) > 0 {
		return errors.Errorf("unknown command %q, did you mean %q?", words[0], near[0])
	}
	return errors.Errorf("unknown command %q; see '%s --help'", words[0], c.CommandPath())
}

// noWords refuses arguments that belong to no flag.
func noWords(c *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	hint := fmt.Sprintf("see '%s --help'", c.CommandPath())
	if strings.Contains(words[0], "=") && c.Flags().Lookup("filter") != nil {
		hint = "give --filter " + words[0]
	}
	if words[0] == "false" || words[0] == "true" {
		// The flag before it, which takes no value.
		c.Flags().Visit(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				hint = "give --" + f.Name + "=" + words[0]
			}
		})
	}
	return errors.Errorf("cannot use %q: '%s' takes no arguments; %s", words[0], c.CommandPath(), hint)
}

// addressFlag adds the flag for the service to call.
func addressFlag(c *cobra.Command, address *string) {
	c.Flags().StringVar(address, "address", "", "`ADDRESS` of the service: unix:PATH, or ssh-exec:HOST for that of another\n"+
		"host (default $"+client.AddressVariable+", else the service of root or of the user)")
	complete(c, "address", func(string) []string { return []string{"unix:", "ssh-exec:"} }, cobra.ShellCompDirectiveNoSpace)
}

// complete completes the values of a flag.
func complete(c *cobra.Command, flag string, values func(typed string) []string, directive cobra.ShellCompDirective) {
	err := c.RegisterFlagCompletionFunc(flag,
		func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var fitting []cobra.Completion
			for _, value := range values(typed) {
				if strings.HasPrefix(value, typed) {
					fitting = append(fitting, value)
				}
			}
			return fitting, directive | cobra.ShellCompDirectiveNoFileComp
		})
	if err != nil {
		panic(err) // the flag does not exist: a bug in this program
	}
}

// anyOf completes one of a few words.
func anyOf(words ...string) func(string) []string {
	return func(string) []string { return words }
}
