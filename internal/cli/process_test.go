package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// process returns this test binary as eventsvc.
func process(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], unconfigured(arguments)...)
	c.Env = append(os.Environ(), mainVariable+"=1")
	return c
}

func exitOf(t *testing.T, c *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { c.Process.Kill() })
	defer timer.Stop()
	_ = c.Wait()
	return c.ProcessState.ExitCode()
}

// Signals end a follower with their exit code.
func TestEvents_signals(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		c := process(t, "events", "--since", "2020-01-01", "--address", r.address)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		c.Process.Signal(test.signal)
		checkCode(t, exitOf(t, c), test.code)
	}
}

// deafTo makes a command be started with signals ignored, as nohup does it.
func deafTo(c *exec.Cmd, signals string) *exec.Cmd {
	c.Args = append([]string{"sh", "-c", `trap "" ` + signals + `; exec "$@"`, "sh"}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

// Signals that are ignored from the start end no follower.
func TestEvents_ignoredSignals(t *testing.T) {
	r := newRig(t, sample)
	c := deafTo(process(t, "events", "--since", "2020-01-01", "--format", "{{.Name}}", "--address", r.address), "HUP INT")
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	for range strings.Count(sample, "\n") {
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	c.Process.Signal(syscall.SIGHUP)
	c.Process.Signal(syscall.SIGINT)
	r.write("later")
	if line, err := out.ReadString('\n'); line != "later\n" {
		t.Errorf("after SIGHUP and SIGINT it prints %q, %v", line, err)
	}
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), 143)
}

// serve reloads at a SIGHUP that was ignored when it started.
func TestServe_ignoredSIGHUP(t *testing.T) {
	dir := host(t, "")
	c := deafTo(process(t, "serve", "--listen", "unix:"+filepath.Join(dir, "s"), "--log-file", filepath.Join(dir, "log"), "--dbus", "none"), "HUP")
	errs := startServe(t, c)
	errs.expect(t, "eventsvc: ready (")
	c.Process.Signal(syscall.SIGHUP)
	errs.expect(t, "read the configuration again")
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), exitOK)
}

// A follower ends when its reader goes, also while no events arrive.
func TestEvents_followerReaderGone(t *testing.T) {
	r := newRig(t, sample)
	c := process(t, "events", "--since", "2020-01-01", "--address", r.address)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	checkCode(t, exitOf(t, c), exitOK)
	check(t, "stderr", errs.String(), "")
}

// Lister ends quietly when its reader goes.
func TestEvents_listerReaderGone(t *testing.T) {
	line := strings.SplitAfter(sample, "\n")[1]
	r := newRig(t, strings.Repeat(line, 20000))
	c := process(t, "events", "--stream=false", "--address", r.address)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	checkCode(t, exitOf(t, c), exitOK)
	check(t, "stderr", errs.String(), "")
}

// startServe starts eventsvc serve as a process and waits until it listens.
func startServe(t *testing.T, c *exec.Cmd) *output {
	t.Helper()
	errs := new(output)
	c.Stderr = errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	errs.expect(t, "listening on")
	return errs
}

func TestServe_notifiesSystemdAtItsEnd(t *testing.T) {
	dir := host(t, "")
	address := "unix:" + filepath.Join(dir, "s")
	m := testkit.ListenAsManager(t, dir)
	c := process(t, "serve", "--log-file", filepath.Join(dir, "log"), "--listen", address)
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Path)
	startServe(t, c)
	if got := m.Next(); !strings.HasPrefix(got, "READY=1\nSTATUS=") {
		t.Errorf("systemd is notified of %q", got)
	}
	follower := begin(t, "events", "--address", address)
	eventually(t, "subscriber", func() bool {
		stdout, _, _ := runIn(t.Context(), "status", "--format", "json", "--address", address)
		return strings.Contains(stdout, `"subscribers":1`)
	})
	for got := ""; !strings.HasSuffix(got, "; 1 subscriber, no events since the start"); {
		got = m.Next()
	}
	c.Process.Signal(syscall.SIGTERM)
	for got := ""; got != "STOPPING=1"; {
		if got = m.Next(); !strings.HasPrefix(got, "STATUS=") && got != "STOPPING=1" {
			t.Errorf("systemd is notified of %q", got)
		}
	}
	checkCode(t, exitOf(t, c), exitOK)
	follower.errs.expect(t, "the service is stopping")
	follower.end(t)
	if _, err := os.Stat(filepath.Join(dir, "s")); err == nil {
		t.Error("the socket is still there")
	}
}

// Serve uses the directory of a user.
func TestServe_userDirectory(t *testing.T) {
	dir := host(t, "")
	const nobody = 65534
	c := process(t, "serve", "--log-file", filepath.Join(dir, "log"))
	if os.Geteuid() == 0 {
		// The test binary lies where only root can look.
		binary := filepath.Join(dir, "program")
		text, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(binary, text, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, "containers.conf"), 0o644)
		c.Path = binary
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	c.Dir = dir
	c.Env = append(c.Env, "XDG_RUNTIME_DIR="+dir, "HOME="+dir)
	if os.Geteuid() == 0 {
		if public, err := os.Stat(filepath.Dir(dir)); err != nil || public.Mode().Perm()&0o001 == 0 {
			t.Skipf("another user than root cannot reach %s", dir)
		}
	}
	errs := startServe(t, c)
	errs.expect(t, "listening on unix:"+dir+"/eventsvc/io.podman.events\n")
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), exitOK)

	c = process(t, "serve", "--log-file", filepath.Join(dir, "log"))
	if os.Geteuid() == 0 {
		c.Path = filepath.Join(dir, "program")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	c.Dir = dir
	c.Env = append(c.Env, "XDG_RUNTIME_DIR="+dir+"/missing")
	text, _ := c.CombinedOutput()
	if !strings.Contains(string(text), "cannot decide where to listen; name a socket with --listen unix:PATH") {
		t.Errorf("without a runtime directory it says %q", text)
	}
}

// activated gives a process sockets as systemd does: from descriptor 3 on.
func activated(c *exec.Cmd, files ...*os.File) {
	c.ExtraFiles = files
	// LISTEN_PID is the process's own, which sh knows and we do not.
	c.Args = append([]string{"sh", "-c", fmt.Sprintf(`LISTEN_FDS=%d LISTEN_PID=$$ exec "$0" "$@"`, len(files)), c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
}

// Serve takes over the sockets of systemd.
func TestServe_systemdSockets(t *testing.T) {
	dir := host(t, "")
	path := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	c := process(t, "serve", "--log-file", filepath.Join(dir, "log"))
	activated(c, file)
	errs := startServe(t, c)
	file.Close()
	errs.expect(t, "listening on unix:"+path+"\n")
	_, _, code := runIn(t.Context(), "status", "--address", "unix:"+path)
	checkCode(t, code, exitOK)
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), exitOK)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket, which is systemd's, is gone: %v", err)
	}
}

// Serve serves a client that is connected already.
func TestServe_connectedClient(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "log")
	writeFile(t, log, sample)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	conn, err := net.FileConn(near)
	if err != nil {
		t.Fatal(err)
	}
	near.Close()
	defer conn.Close()
	c := process(t, "serve", "--log-file", log)
	activated(c, far)
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	far.Close()
	fmt.Fprintf(conn, "%s\x00", `{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	reply, err := bufio.NewReader(conn).ReadString(0)
	if err != nil || !strings.Contains(reply, `"name":"vol1"`) {
		t.Errorf("the reply is %q, %v", reply, err)
	}
	conn.Close()
	checkCode(t, exitOf(t, c), exitOK)
	check(t, "stderr", errs.String(), "")
}
