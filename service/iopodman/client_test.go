package iopodman_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/oldclient"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// realClient is a podman-remote 1.x that these tests are to be run with,
// instead of the imitation; "": none.
func realClient() string { return os.Getenv("EVENTSVC_PODMAN_REMOTE") }

// command is an old client that runs.
type command struct {
	t    testing.TB
	args []string
	out  testkit.Buffer
	err  testkit.Buffer
	done chan int // its exit code
	kill func()
}

// result is the outcome of a command.
type result struct {
	code           int
	stdout, stderr string
}

// start starts an old client.
func (r *rig) start(args ...string) *command {
	r.t.Helper()
	c := &command{t: r.t, args: args, done: make(chan int, 1)}
	if realClient() != "" {
		r.startReal(c)
		return c
	}
	conn := r.dial()
	c.kill = func() { conn.Close() }
	go func() {
		defer conn.Close()
		c.done <- oldclient.Run(conn, &c.out, &c.err, args...)
	}()
	return c
}

func (r *rig) startReal(c *command) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.kill = cancel
	r.t.Cleanup(cancel)
	process := exec.CommandContext(ctx, realClient(), c.args...)
	process.Dir, process.Stdout, process.Stderr = r.dir, &c.out, &c.err
	process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "XDG_RUNTIME_DIR=" + r.dir, "PODMAN_VARLINK_ADDRESS=unix:" + r.path}
	if err := process.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		err := process.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			c.err.Write([]byte(err.Error()))
		}
		c.done <- process.ProcessState.ExitCode()
	}()
}

// run runs an old client to its end.
func (r *rig) run(args ...string) result {
	r.t.Helper()
	return r.start(args...).wait()
}

// wait waits for the end of the client.
func (c *command) wait() result {
	c.t.Helper()
	select {
	case code := <-c.done:
		return result{code, c.out.String(), c.err.String()}
	case <-time.After(patience):
		c.t.Fatalf("%q hangs; it printed\n%s%s", c.args, c.out.String(), c.err.String())
		return result{}
	}
}

// printed waits until the client has printed what is wanted.
func (c *command) printed(what string) {
	c.t.Helper()
	eventually(c.t, strings.Join(c.args, " ")+" prints "+what, func() bool { return strings.Contains(c.out.String(), what) })
}

// want checks how a command ended.
func (got result) want(t testing.TB, code int, stdout, stderr string) {
	t.Helper()
	if got.code != code || got.stdout != stdout || got.stderr != stderr {
		t.Errorf("exit code %d, stdout\n%s\nstderr %q,\nwant %d,\n%s\n%q", got.code, got.stdout, got.stderr, code, stdout, stderr)
	}
}

// followers starts clients that follow from now on, and returns when each has
// shown that it does. What they printed up to then are probes, by name.
func (r *rig) followers(n int, args ...string) []*command {
	r.t.Helper()
	var commands []*command
	for range n {
		commands = append(commands, r.start(append([]string{"events"}, args...)...))
	}
	// Nothing in the old interface says that following has begun.
	deadline := time.Now().Add(patience)
	for slices.ContainsFunc(commands, func(c *command) bool { return c.out.Len() == 0 }) {
		if time.Now().After(deadline) {
			r.t.Fatal("not all follow")
		}
		r.append(container(0, "init"))
		time.Sleep(10 * time.Millisecond)
	}
	return commands
}

// behindProbes returns what a follower printed without the probes.
func behindProbes(printed string) string {
	var b strings.Builder
	for line := range strings.Lines(printed) {
		if !strings.Contains(line, " container init ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// raw is a client with nothing between the test and the bytes.
type raw struct {
	t    testing.TB
	conn io.ReadWriteCloser
	rest []byte
}

func (r *rig) raw() *raw { return &raw{t: r.t, conn: r.dial()} }

func (c *raw) send(frame string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, frame+"\x00"); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next frame, without its NUL.
func (c *raw) receive() string {
	c.t.Helper()
	for buf := make([]byte, 4096); ; {
		if frame, rest, ok := bytes.Cut(c.rest, []byte{0}); ok {
			c.rest = rest
			return string(frame)
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			c.t.Fatalf("cannot receive: %v, after %q", err, c.rest)
		}
		c.rest = append(c.rest, buf[:n]...)
	}
}

func (c *raw) ask(frame string) string {
	c.t.Helper()
	c.send(frame)
	return c.receive()
}
