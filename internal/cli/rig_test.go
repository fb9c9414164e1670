package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// mainVariable turns the test binary into eventsvc itself, for what takes a
// process: signals, descriptors, pipes.
const mainVariable = "EVENTSVC_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		os.Exit(Main())
	}
	// Nothing of the machine's own may reach a test.
	for _, name := range []string{client.AddressVariable, "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "NOTIFY_SOCKET"} {
		os.Unsetenv(name)
	}
	os.Setenv("TZ", "UTC")
	time.Local = time.UTC
	os.Exit(m.Run())
}

// rig is a service in this process, with a log of its own.
type rig struct {
	t       *testing.T
	dir     string
	address string
	stop    func()
}

// newRig starts a service on a log with the given text.
func newRig(t *testing.T, text string) *rig {
	t.Helper()
	dir := testkit.ShortDir(t)
	r := &rig{t: t, dir: dir, address: "unix:" + filepath.Join(dir, "s")}
	t.Cleanup(func() { r.stop() })
	if err := os.WriteFile(r.log(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

func (r *rig) log() string { return filepath.Join(r.dir, "events.log") }

// start starts the service; there is a read-only socket beside the usual one.
func (r *rig) start() {
	r.t.Helper()
	var addresses []varlinkwire.Address
	for _, text := range []string{r.address, r.address + "-ro,readonly"} {
		address, err := varlinkwire.ParseAddress(text)
		if err != nil {
			r.t.Fatal(err)
		}
		addresses = append(addresses, address)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- daemon.Run(ctx, daemon.Config{
			Store: daemon.Store{Backend: events.LogFile, Path: r.log()}, Listen: addresses, Logger: slog.New(slog.DiscardHandler),
			Started: func([]*varlinkwire.Listener) { close(started) },
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			r.t.Error(err)
		}
	})
	select {
	case <-started:
	case err := <-served:
		served <- err
		r.t.Fatal(err)
	}
}

func (r *rig) client() *client.Client {
	r.t.Helper()
	c, err := client.New(r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// write writes volume events with the given names.
func (r *rig) write(names ...string) {
	r.t.Helper()
	c := r.client()
	for _, name := range names {
		e := events.NewEvent(events.Create)
		e.Type, e.Name = events.Volume, name
		if _, err := c.WriteEvent(r.t.Context(), e); err != nil {
			r.t.Fatal(err)
		}
	}
}

// waitForSubscriber waits until a subscriber follows.
func (r *rig) waitForSubscriber() {
	r.t.Helper()
	c := r.client()
	eventually(r.t, "a subscriber", func() bool {
		s, err := c.GetStatus(r.t.Context())
		return err == nil && s.Subscribers > 0
	})
}

// run runs a command against the service.
func (r *rig) run(arguments ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	return runIn(r.t.Context(), append(arguments, "--address", r.address)...)
}

// unconfigured returns the arguments for a machine on which the service is not
// configured.
func unconfigured(arguments []string) []string {
	if len(arguments) == 0 || arguments[0] != "serve" || slices.Contains(arguments, "--config") {
		return arguments
	}
	return append([]string{"serve", "--config", "/dev/null"}, arguments[1:]...)
}

// runIn runs a command line in this process.
func runIn(ctx context.Context, arguments ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = Run(ctx, append([]string{"eventsvc"}, unconfigured(arguments)...), strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// running is a command that runs in this process until it is made to end.
type running struct {
	out, errs *output
	cancel    context.CancelCauseFunc
	code      chan int
}

// begin starts a command against the service.
func (r *rig) begin(arguments ...string) *running {
	r.t.Helper()
	return begin(r.t, append(arguments, "--address", r.address)...)
}

func begin(t *testing.T, arguments ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &running{out: new(output), errs: new(output), cancel: cancel, code: make(chan int, 1)}
	go func() {
		c.code <- Run(ctx, append([]string{"eventsvc"}, unconfigured(arguments)...), strings.NewReader(""), c.out, c.errs)
	}()
	t.Cleanup(func() { cancel(nil) })
	return c
}

// end interrupts the command and returns its exit code.
func (c *running) end(t *testing.T) int {
	t.Helper()
	c.cancel(interrupted(2))
	return c.wait(t)
}

func (c *running) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-c.code:
		return code
	case <-time.After(10 * time.Second):
		t.Fatalf("the command does not end; it printed %q and %q", c.out, c.errs)
		return -1
	}
}

// output is what a command prints while it runs.
type output struct{ testkit.Buffer }

// expect waits until a text has been printed.
func (o *output) expect(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(o.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is no %q in %q", text, o)
		}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is no %s", what)
		}
	}
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	// Long texts are printed from their first difference on.
	lines, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
	first := 0
	for first < len(lines)-1 && first < len(wanted)-1 && lines[first] == wanted[first] {
		first++
	}
	t.Errorf("%s is, from line %d on,\n%s\nwant\n%s", what, first+1,
		strings.Join(lines[first:min(first+5, len(lines))], "\n"), strings.Join(wanted[first:min(first+5, len(wanted))], "\n"))
}

func checkCode(t *testing.T, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("the exit code is %d, want %d", got, want)
	}
}

// sample has what the formats have to deal with.
const sample = `{"Status":"refresh","Time":"2026-11-23T12:45:39.002295797Z","Type":"system","Attributes":null}
{"ID":"b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596","Image":"localhost/scratch:1","Name":"c1","Status":"create","Time":"2026-11-23T12:45:39.84681649Z","Type":"container","Attributes":{"q":"x=y \u003c\u0026\u003e","a":"b"}}
{"ContainerExitCode":0,"ID":"b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596","Image":"localhost/scratch:1","Name":"c1","Status":"died","Time":"2026-11-23T12:45:40Z","Type":"container","Attributes":{"a":"b"}}
{"Name":"vol1","Status":"remove","Time":"2026-11-23T12:45:40.354929405Z","Type":"volume","Attributes":null}
`

const sampleID = "b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596"

// Run runs a command line, whose first word is the name of the program, and returns the
// exit code. The context may end with a signal as its cause.
func Run(ctx context.Context, arguments []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{name: arguments[0], stdin: stdin, stdout: stdout, stderr: stderr}
	return a.run(ctx, arguments[1:])
}
