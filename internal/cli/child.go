package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	perrors "github.com/pkg/errors"
)

// commandError is returned for a command that failed, or could not be run. Its
// exit code is ours then.
type commandError struct {
	code int
	text string
}

func (e *commandError) Error() string { return e.text }

// The exit codes for commands that cannot be run, as every shell has them.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

// findCommand finds the program of a command before anything else is done.
func findCommand(words []string) error {
	if len(words) == 0 || words[0] == "" {
		return perrors.New("cannot run a command: none is given; put it after --")
	}
	_, err := exec.LookPath(words[0])
	return cannotRun(words, err)
}

// cannotRun makes an error of why a command could not be started, nil for nil.
func cannotRun(words []string, err error) error {
	if err == nil {
		return nil
	}
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	var named *exec.Error
	if errors.As(err, &named) {
		err = named.Err
	}
	text := fmt.Sprintf("cannot run %s: %v", words[0], err)
	if strings.Contains(words[0], " ") {
		text += "; give its arguments as words of their own, or sh -c"
	}
	return &commandError{code, text}
}

// child is a command that runs.
type child struct {
	words []string
	cmd   *exec.Cmd
	group bool       // it has a process group of its own
	ended chan error // gets how it ended, once
}

// startChild starts a command. Its output goes where ours goes, but what it
// prints on stdout goes to the given place. With a group of its own a signal reaches
// all that it has started, and one that ignores it is killed.
func (a *app) startChild(words, environment []string, stdin, stdout *os.File, group bool) (*child, error) {
	c := &child{words: words, cmd: exec.Command(words[0], words[1:]...), group: group, ended: make(chan error, 1)}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
	c.cmd.Env = environment
	if stdin != nil { // not an interface that holds a nil
		c.cmd.Stdin = stdin
	}
	c.cmd.Stdout, c.cmd.Stderr = fileOr(stdout, a.stderr), a.stderr
	if err := c.cmd.Start(); err != nil {
		return nil, cannotRun(words, err)
	}
	go func() { c.ended <- c.verdict(c.cmd.Wait()) }()
	return c, nil
}

func fileOr(file *os.File, otherwise io.Writer) io.Writer {
	if file == nil {
		return otherwise
	}
	return file
}

// verdict makes an error of how a command ended, nil if it succeeded.
func (c *child) verdict(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return cannotRun(c.words, err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		number := status.Signal()
		return &commandError{exitSignal + int(number), fmt.Sprintf("the command %s was ended by a signal: %v", c.words[0], number)}
	}
	return &commandError{exit.ExitCode(), fmt.Sprintf("the command %s failed with exit code %d", c.words[0], exit.ExitCode())}
}

// wait returns how the command ended. If the context ends before, the signal
// that ended it is passed on, or SIGTERM, and the command is waited for.
func (c *child) wait(ctx context.Context) error {
	select {
	case err := <-c.ended:
		return err
	case <-ctx.Done():
	}
	number := syscall.SIGTERM
	var signal interrupted
	if errors.As(context.Cause(ctx), &signal) {
		number = syscall.Signal(signal)
	}
	if !c.group {
		_ = c.cmd.Process.Signal(number)
		return <-c.ended
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, number)
	timer := time.NewTimer(killAfter)
	defer timer.Stop()
	select {
	case err := <-c.ended:
		return err
	case <-timer.C:
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	return <-c.ended
}

// killAfter is how long a command with a group of its own may take to end.
const killAfter = 10 * time.Second
