package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// daemon is a running eventsvc serve with a log file and a socket of its own.
type daemon struct {
	t      testing.TB
	dir    string
	log    string
	socket string
	args   []string
	cmd    *exec.Cmd
	stderr *testkit.Buffer
	// journal: it serves a journal instead of the log file.
	journal bool
	// enter makes the command run in another place, such as a namespace; nil: here.
	enter func(args ...string) *exec.Cmd
	// unit is the systemd unit that is tested instead of a command of the test.
	unit *unit
}

// newDaemon describes a daemon that is not started yet.
func newDaemon(t testing.TB, args ...string) *daemon {
	dir := testkit.ShortDir(t)
	if name := os.Getenv(unitUnderTest); name != "" {
		return newUnit(t, name, dir, args)
	}
	return &daemon{t: t, dir: dir, log: filepath.Join(dir, "events.log"), socket: filepath.Join(dir, "s"), args: args}
}

// startDaemon starts a daemon on the log file, or on an empty one of its own.
func startDaemon(t testing.TB, args ...string) *daemon {
	t.Helper()
	d := newDaemon(t, args...)
	d.start()
	return d
}

// start starts the daemon and returns when it answers.
func (d *daemon) start() {
	d.t.Helper()
	if d.unit != nil {
		d.unit.start()
		return
	}
	d.launch()
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := dial(d.socket)
		if err == nil {
			c.close()
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("the daemon does not answer: %v\n%s", err, d.stderr)
		}
		time.Sleep(2 * time.Millisecond) // for the socket, which are announced nowhere
	}
}

// launch starts the daemon.
func (d *daemon) launch() {
	d.t.Helper()
	args := []string{"serve", "--config", "/dev/null", "--listen", "unix:" + d.socket, "--dbus", "none"}
	if !d.journal {
		args = append(args, "--backend", "file", "--log-file", d.log)
	}
	d.cmd = exec.Command(binary, append(args, d.args...)...)
	if d.enter != nil {
		d.cmd = d.enter(d.cmd.Args...)
	}
	d.stderr = new(testkit.Buffer)
	d.cmd.Stdout, d.cmd.Stderr = d.stderr, d.stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cmd := d.cmd
	d.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
}

// kill ends the daemon without warning.
func (d *daemon) kill() {
	d.t.Helper()
	if d.unit != nil {
		d.unit.kill()
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// stop asks the daemon to end, and waits for it.
func (d *daemon) stop() {
	d.t.Helper()
	if d.unit != nil {
		d.unit.stop()
		return
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			d.t.Fatalf("the daemon ended with %v\n%s", err, d.stderr)
		}
	case <-time.After(20 * time.Second):
		d.t.Fatalf("the daemon does not stop\n%s", d.stderr)
	}
}

// client returns a client of the daemon.
func (d *daemon) client() *client.Client {
	d.t.Helper()
	c, err := client.New("unix:" + d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// pid returns the process ID of the daemon.
func (d *daemon) pid() int {
	if d.unit != nil {
		return d.unit.pid
	}
	return d.cmd.Process.Pid
}

// said returns what the daemon has logged.
func (d *daemon) said() string {
	if d.unit != nil {
		return d.unit.said()
	}
	return d.stderr.String()
}

// memory returns the resident memory of the daemon in kB.
func (d *daemon) memory() int {
	d.t.Helper()
	return d.status("VmRSS")
}

// descriptors returns how many descriptors the daemon has open.
func (d *daemon) descriptors() int {
	d.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.pid()))
	if err != nil {
		d.t.Fatal(err)
	}
	return len(entries)
}

// awaitNoSubscribers waits until the daemon has noticed that all subscribers have gone.
func (d *daemon) awaitNoSubscribers() {
	d.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		n := d.call("GetStatus", nil).Parameters.Subscribers
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d subscribers after all have gone", n)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

func (d *daemon) status(field string) int {
	d.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pid()))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		var n int
		if _, err := fmt.Sscanf(line, field+": %d", &n); err == nil {
			return n
		}
	}
	d.t.Fatalf("/proc has no %s", field)
	return 0
}

// within returns a context that ends a test that hangs.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// awaitLog waits until the daemon has said something.
func (d *daemon) awaitLog(text string) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(d.said(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("the daemon does not say %q:\n%s", text, d.said())
		}
	}
}

// comes waits for a condition by checking it repeatedly.
func comes(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}
