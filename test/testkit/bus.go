package testkit

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Bus is a real dbus-daemon on a socket of its own, which every user may reach.
type Bus struct {
	// Path is that of the socket.
	Path string

	dir, policy string
	cmd         *exec.Cmd
}

// StartBus starts a bus with a policy, such as those of package buspolicy, and
// ends it with the test.
func StartBus(t testing.TB, policy string) *Bus {
	t.Helper()
	Need(t, "dbus-daemon")
	b := &Bus{dir: OpenDir(t), policy: policy}
	b.Path = filepath.Join(b.dir, "bus")
	b.Start(t)
	t.Cleanup(b.Stop)
	return b
}

// Address returns the bus's D-Bus address.
func (b *Bus) Address() string { return "unix:path=" + b.Path }

// Start starts the daemon again after Stop, under the same address.
func (b *Bus) Start(t testing.TB) {
	t.Helper()
	config := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>` + b.Address() + `</listen><auth>EXTERNAL</auth>` + b.policy + `</busconfig>`
	file := filepath.Join(b.dir, "bus.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(b.Path)
	b.cmd = exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--print-address=1", "--nopidfile", "--nosyslog")
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := Start(b.cmd); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon does not start: %v", err)
	}
	if err := os.Chmod(b.Path, 0o666); err != nil {
		t.Fatal(err)
	}
}

// Stop kills the daemon; its clients see the connection end.
func (b *Bus) Stop() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
		b.cmd = nil
	}
}

// Process is the daemon, or nil while it is stopped or was not started here.
func (b *Bus) Process() *os.Process {
	if b.cmd == nil {
		return nil
	}
	return b.cmd.Process
}
