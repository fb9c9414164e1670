package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	perrors "github.com/pkg/errors"
)

// commandError is returned for a command that failed, or could not be run. Its exit
// code becomes ours.
type commandError struct {
	code int
	text string
}

func (e *commandError) Error() string { return e.text }

// The exit codes for commands that cannot be run, as in every shell.
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

// cannotRun returns the error for a command that could not be started, nil for nil.
func cannotRun(words []string, err error) error {
	if err == nil {
		return nil
	}
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	if named, ok := errors.AsType[*exec.Error](err); ok {
		err = named.Err
	}
	text := fmt.Sprintf("cannot run %s: %v", words[0], err)
	if strings.Contains(words[0], " ") {
		text += "; give its arguments as words of their own, or sh -c"
	}
	return &commandError{code, text}
}

// child is a running command.
type child struct {
	words []string
	cmd   *exec.Cmd
	group bool       // it has its own process group
	ended chan error // gets its result, once
}

// startChild starts a command. Its stderr is ours; its stdout is the given file. With a
// process group of its own, a signal reaches everything that it has started, and a
// command that ignores the signal is killed.
func (a *app) startChild(words, environment []string, stdin, stdout *os.File, group bool) (*child, error) {
	c := &child{words: words, cmd: exec.Command(words[0], words[1:]...), group: group, ended: make(chan error, 1)}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
	c.cmd.Env = environment
	if stdin != nil { // never an interface that holds a nil
		c.cmd.Stdin = stdin
	}
	c.cmd.Stdout, c.cmd.Stderr = a.stderr, a.stderr
	if stdout != nil {
		c.cmd.Stdout = stdout
	}
	if err := c.cmd.Start(); err != nil {
		return nil, cannotRun(words, err)
	}
	go func() { c.ended <- c.verdict(c.cmd.Wait()) }()
	return c, nil
}

// verdict returns the error for the result of a command, nil if it succeeded.
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

// wait returns the result of the command. If the context ends first, the signal that
// ended it, or SIGTERM, is passed on, and the command is waited for.
func (c *child) wait(ctx context.Context) error {
	select {
	case err := <-c.ended:
		return err
	case <-ctx.Done():
	}
	number := syscall.SIGTERM
	if signal, ok := errors.AsType[interrupted](context.Cause(ctx)); ok {
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

// killAfter is how long a command with its own process group may take to end.
const killAfter = 10 * time.Second
