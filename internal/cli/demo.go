package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

const demoLong = `Serve a sample of real Podman events on a socket of its own, in a private
directory that is removed at the end, and print commands to try on it. It needs
neither Podman nor root, and changes nothing on this host.

It writes a new event every few seconds, and prints every event that arrives,
including those that you write with 'eventsvc write'.`

// demoFlags are the flags of eventsvc demo.
type demoFlags struct {
	once  bool
	every time.Duration
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Serve sample events, to try the other commands on",
		Long:  demoLong,
		Args:  noWords,
		RunE:  func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), &f) },
	}
	c.Flags().DurationVar(&f.every, "every", 5*time.Second, "write an event each time this `TIME` has passed; 0: never")
	c.Flags().BoolVar(&f.once, "once", false, "write one event, see it arrive, and exit: a check that all works")
	complete(c, "every", anyOf("1s", "5s", "1m", "0"), 0)
	return c
}

func (a *app) demo(ctx context.Context, f *demoFlags) (err error) {
	room, err := newDemoDir()
	if err != nil {
		return err
	}
	defer room.remove()
	address, err := varlinkwire.ParseAddress(room.address())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	started := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- daemon.Run(ctx, daemon.Config{
			Store:   daemon.Store{Backend: events.LogFile, Path: room.log(), Own: true},
			Listen:  []varlinkwire.Address{address},
			Logger:  servicelog.New(program, a.stderr, slog.LevelWarn),
			Started: func([]*varlinkwire.Listener) { close(started) },
		})
	}()
	select {
	case <-started:
	case err := <-served:
		cancel()
		return err
	}
	defer func() {
		cancel()
		if failed := <-served; err == nil {
			err = failed
		}
	}()
	return a.showDemo(ctx, f, room.address())
}

// showDemo prints what the user sees: past events, the commands, and then new events.
func (a *app) showDemo(ctx context.Context, f *demoFlags, address string) error {
	c, err := client.New(address)
	if err != nil {
		return err
	}
	defer c.Close()
	printEvent := shortPrinter(false, a.stdout)
	past, oldest, err := a.showPast(ctx, c, printEvent)
	if err != nil {
		return err
	}
	s, err := c.Subscribe(ctx, client.SubscribeOptions{After: past})
	if err != nil {
		return err
	}
	defer s.Close()
	if !f.once {
		a.showCommands(address, oldest)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		if err := writeDemoEvents(ctx, c, f); err != nil {
			cancel(err)
		}
	}()
	defer func() {
		cancel(nil)
		<-writer
	}()
	for {
		e, err := s.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return failure(ctx) // no error after ^C, which is how a demo ends
			}
			return err
		}
		e.Time = e.Time.Local()
		if err := printEvent(a.stdout, &e); err != nil {
			return errors.Wrap(err, "cannot write the output")
		}
		if f.once {
			fmt.Fprintln(a.stdout, "\nIt works: the event that was written came back through the service.")
			return nil
		}
	}
}

// showPast prints the life of a container of the sample, read through the service, and
// returns the cursor after the sample, and the date of its oldest event.
func (a *app) showPast(ctx context.Context, c *client.Client, printEvent printer) (cursor, oldest string, err error) {
	h, err := c.History(ctx, client.Query{})
	if err != nil {
		return "", "", err
	}
	defer h.Close()
	var past []events.Event
	for e, err := range h.All(ctx) {
		if err != nil {
			return "", "", err
		}
		past = append(past, e)
	}
	died := slices.IndexFunc(past, func(e events.Event) bool {
		return e.Type == events.Container && e.Status == events.Exited && e.ContainerExitCode != nil && *e.ContainerExitCode != 0
	})
	if died < 0 {
		return "", "", errors.New("cannot show the sample: it has no container that died")
	}
	fmt.Fprintf(a.stdout, "eventsvc serves a log of %d events that Podman wrote. The life of one container, which was killed twice:\n\n", len(past))
	for i := range past {
		if past[i].ID != past[died].ID {
			continue
		}
		past[i].Time = past[i].Time.Local()
		if err := printEvent(a.stdout, &past[i]); err != nil {
			return "", "", errors.Wrap(err, "cannot write the output")
		}
	}
	return h.Cursor(), past[0].Time.Local().Format(time.DateOnly), nil
}

// showCommands prints commands to try, ready to be copied.
func (a *app) showCommands(address, oldest string) {
	name := shellWord(a.name)
	lines := []string{
		"",
		"In another terminal, once:",
		"",
		"  export " + client.AddressVariable + "=" + shellWord(address),
		"",
		"Then try:",
		"",
		"  " + name + " events",
		"  " + name + " events --stream=false --filter type=container --filter event=died",
		"  " + name + " events --stream=false --format json",
		"  " + name + " timeline --since " + oldest,
		"  " + name + " state",
		"  " + name + " write --type container --status died --name mine --exit-code 3",
		"  " + name + " status",
		"",
	}
	if _, err := exec.LookPath("varlinkctl"); err == nil {
		lines = append(lines, "or, as any Varlink client can:", "")
	} else {
		lines = append(lines, "or with varlinkctl (systemd 257 and later; it is not installed here):", "")
	}
	socket := shellWord(address)
	lines = append(lines,
		"  varlinkctl info "+socket,
		"  varlinkctl introspect "+socket+" io.podman.events",
		"  varlinkctl call "+socket+` io.podman.events.GetLastEvent '{"filters":["event=died"]}'`,
		"  varlinkctl call --more -E "+socket+` io.podman.events.Subscribe '{"fromStart":true}'`,
		"",
		"New events appear here as they come. Ctrl-C ends the demo.",
		"",
	)
	_, _ = io.WriteString(a.stdout, strings.Join(lines, "\n")+"\n")
}

// shellWord quotes a word for a shell if necessary.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+./:,@%=", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
