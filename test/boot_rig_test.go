package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// bootPatience is how long a test waits for a booted machine.
const bootPatience = 60 * time.Second

// machine is a Debian trixie that systemd-nspawn has booted: the tree of
// peers/booted.sh below an overlay in memory, with nothing of this host but the
// kernel. It has no network but its loopback.
type machine struct {
	t      *testing.T
	root   string // its file system, seen from here
	nspawn *exec.Cmd
	leader string // process ID of its systemd
	// said contains all commands that were run and their output.
	said *os.File
}

// bootedTree returns the tree, or skips the test if it is missing.
func bootedTree(t *testing.T) string {
	t.Helper()
	needRoot(t)
	for _, program := range []string{"systemd-nspawn", "nsenter", "make", "gcc", "dpkg-deb"} {
		testkit.Need(t, program)
	}
	tree := testkit.Peers("booted")
	if testkit.PeersRequired() { // complete or not: the script knows
		if out, err := exec.Command("peers/booted.sh").CombinedOutput(); err != nil {
			t.Fatalf("peers/booted.sh: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(tree, ".eventsvc-peer")); err != nil {
		testkit.Missing(t, "the trixie tree with Podman", "test/peers/booted.sh")
	}
	return tree
}

// boot boots the tree, after adding files to it, which are given by their paths.
func boot(t *testing.T, files map[string]string) *machine {
	t.Helper()
	tree := bootedTree(t)
	room, err := os.MkdirTemp("", "evboot") //nolint:usetesting // it is a mount point, and has to outlive this function in a known order
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, root: filepath.Join(room, "root")}
	t.Cleanup(func() {
		_ = syscall.Unmount(m.root, syscall.MNT_DETACH)
		_ = syscall.Unmount(room, syscall.MNT_DETACH)
		_ = os.Remove(room)
	})
	if err := syscall.Mount("evboot", room, "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatalf("cannot mount a tmpfs: %v", err)
	}
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(room, dir), 0o755); err != nil { //nolint:gosec // the root of a system
			t.Fatal(err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", tree, room, room)
	if err := syscall.Mount("evboot", m.root, "overlay", 0, layers); err != nil {
		t.Fatalf("cannot put an overlay on %s: %v", tree, err)
	}
	for path, text := range files {
		m.put(path, text)
	}
	if m.said, err = os.Create(filepath.Join(room, "transcript")); err != nil {
		t.Fatal(err)
	}
	m.start(room)
	return m
}

// start boots the machine, and returns when it is up.
func (m *machine) start(room string) {
	m.t.Helper()
	console, err := os.Create(filepath.Join(room, "console"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer console.Close()
	m.nspawn = exec.Command("systemd-nspawn", "-q", "-D", m.root, "-M", fmt.Sprintf("evboot-%d", os.Getpid()), "--register=no",
		"--keep-unit", "--private-users=no", "--private-network", "--console=pipe", "--kill-signal=SIGRTMIN+3", "--notify-ready=yes", "-b")
	m.nspawn.Stdout, m.nspawn.Stderr = console, console
	// In a process group of its own: a signal that interrupts the test does not reach the machine, which is then powered off properly.
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.nspawn.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(m.off)
	for deadline := time.Now().Add(bootPatience); ; {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", m.nspawn.Process.Pid, m.nspawn.Process.Pid))
		if m.leader = strings.TrimSpace(string(children)); m.leader != "" {
			// "running" or, where something failed that is not ours, "degraded".
			state, _ := m.try("systemctl", "is-system-running", "--wait")
			if state = strings.TrimSpace(state); state == "running" || state == "degraded" {
				return
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(console.Name())
			m.t.Fatalf("the machine does not boot:\n%s", text)
		}
		time.Sleep(20 * time.Millisecond) // nothing says when there is a service to ask
	}
}

// off powers the machine off.
func (m *machine) off() {
	if m.leader != "" {
		_, _ = m.try("systemctl", "poweroff")
	}
	ended := make(chan struct{})
	go func() {
		_ = m.nspawn.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(bootPatience):
		_ = m.nspawn.Process.Kill()
		<-ended
	}
	if m.t.Failed() {
		if text, err := os.ReadFile(m.said.Name()); err == nil {
			m.t.Logf("what was run:\n%s", text)
		}
	}
	if path := os.Getenv("EVENTSVC_TRANSCRIPT"); path != "" {
		if text, err := os.ReadFile(m.said.Name()); err == nil {
			_ = os.WriteFile(path, text, 0o600)
		}
	}
	m.said.Close()
}

// put writes a file of the machine.
func (m *machine) put(path, text string) {
	m.t.Helper()
	full := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil { //nolint:gosec // directories of a system
		m.t.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(full, []byte(text), mode); err != nil { //nolint:gosec // files of a system
		m.t.Fatal(err)
	}
}

// command is a command to be run on the machine, by root.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", append([]string{
		"-t", m.leader, "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"LC_ALL=C.UTF-8", "TERM=dumb", "HOME=/root", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "PODMAN_IGNORE_CGROUPSV1_WARNING=1",
		"DEBIAN_FRONTEND=noninteractive",
	}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// try runs a command and returns what it prints, on stdout and stderr.
func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bootPatience)
	defer cancel()
	out, err := m.command(ctx, args...).CombinedOutput()
	m.note(args, out, err)
	return string(out), err
}

// note records a command and its output, as a terminal would show them.
func (m *machine) note(args []string, out []byte, err error) {
	prompt := "#"
	if args[0] == "runuser" {
		prompt = args[2] + "$"
		last := 0
		for i, word := range args {
			if strings.HasPrefix(word, "DBUS_SESSION_BUS_ADDRESS=") {
				last = i
			}
		}
		args = args[last+1:]
	}
	line := strings.Join(args, " ")
	if len(args) == 3 && args[0] == "sh" && args[1] == "-c" {
		line = args[2]
	}
	fmt.Fprintf(m.said, "%s %s\n%s", prompt, line, out)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		fmt.Fprintln(m.said)
	}
	if err != nil {
		fmt.Fprintf(m.said, "(%v)\n", err)
	}
}

// run runs a command that has to succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// sh runs a script that has to succeed.
func (m *machine) sh(script string) string {
	m.t.Helper()
	return m.run("sh", "-c", script)
}

// user is a user of the machine, with a runtime directory and a session bus if
// it lingers.
type user struct {
	m    *machine
	name string
	uid  int
}

func (m *machine) addUser(name string, uid int) user {
	m.t.Helper()
	m.run("useradd", "--create-home", "--uid", fmt.Sprint(uid), "--shell", "/bin/bash", name)
	return user{m, name, uid}
}

func (u user) args(args []string) []string {
	runtime := fmt.Sprintf("/run/user/%d", u.uid)
	return append([]string{
		"runuser", "-u", u.name, "--", "env", "-C", "/home/" + u.name, "HOME=/home/" + u.name,
		"XDG_RUNTIME_DIR=" + runtime, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + runtime + "/bus",
	}, args...)
}

func (u user) try(args ...string) (string, error) { return u.m.try(u.args(args)...) }

func (u user) run(args ...string) string {
	u.m.t.Helper()
	return u.m.run(u.args(args)...)
}

// eventually waits until a command prints the text.
func (m *machine) eventually(want string, args ...string) string {
	m.t.Helper()
	for deadline := time.Now().Add(bootPatience); ; time.Sleep(50 * time.Millisecond) {
		out, err := m.try(args...)
		if strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: no %q in time (%v)\n%s", strings.Join(args, " "), want, err, out)
		}
	}
}

// property returns a property of a unit.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--property="+name, "--value", unit))
}
