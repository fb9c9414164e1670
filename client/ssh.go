package client

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// bridgeCommand connects stdin and stdout to the service of a host.
const bridgeCommand = "eventsvc bridge"

// dialSSH parses HOST or HOST:COMMAND, as in varlinkctl's ssh-exec: addresses: ssh runs
// the command there, by default eventsvc bridge, which speaks Varlink on stdin and
// stdout.
func dialSSH(address string) (Dialer, error) {
	host, command, _ := strings.Cut(address, ":")
	if host == "" || strings.HasPrefix(host, "-") {
		return nil, errors.New("it has no host; give ssh-exec:HOST or ssh-exec:HOST:COMMAND")
	}
	if command == "" {
		command = bridgeCommand
	}
	return func(context.Context) (net.Conn, error) {
		return dialCommand("ssh", "-e", "none", "-T", "--", host, command)
	}, nil
}

// dialCommand starts a command with a socket as its stdin and stdout. Its error
// messages go to stderr.
func dialCommand(name string, arguments ...string) (net.Conn, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Wrap(err, "cannot make a socket pair")
	}
	near, far := os.NewFile(uintptr(pair[0]), name), os.NewFile(uintptr(pair[1]), name)
	defer near.Close() // net.FileConn duplicates it
	defer far.Close()
	some, err := net.FileConn(near)
	if err != nil {
		return nil, errors.Wrap(err, "cannot use the socket pair")
	}
	nc := some.(*net.UnixConn)
	command := exec.Command(name, arguments...)
	command.Stdin, command.Stdout, command.Stderr = far, far, os.Stderr
	if err := command.Start(); err != nil {
		_ = nc.Close()
		return nil, errors.Wrapf(err, "cannot run %s", name)
	}
	return &commandConn{UnixConn: nc, command: command}, nil
}

// commandConn is a connection to a command that was started for it.
type commandConn struct {
	*net.UnixConn
	command *exec.Cmd
	once    sync.Once
}

// commandPatience is how long a command may take to end once its connection is
// closed.
const commandPatience = 2 * time.Second

// Close closes the connection and waits for the command to end.
func (c *commandConn) Close() error {
	err := c.UnixConn.Close()
	c.once.Do(func() {
		kill := time.AfterFunc(commandPatience, func() { _ = c.command.Process.Kill() })
		defer kill.Stop()
		_ = c.command.Wait() // its stderr has said why it failed
	})
	return err
}
