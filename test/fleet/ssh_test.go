package fleet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// Another host is a source over ssh: each event arrives once, although its sshd is killed
// with all its sessions, the collector is killed, and the service there restarts. A
// collector leaves no process on the host.
func TestCollect_ssh(t *testing.T) {
	d := startSSHD(t)
	h := newHost(t, "h1")
	log := filepath.Join(t.TempDir(), "events.log")
	source := "h1=ssh-exec:h1:" + binary + " bridge --address unix:" + h.socket
	c := run(t, "env", "PATH="+d.dir+":"+os.Getenv("PATH"), binary, "collect", "--from", source, "--log", log)
	t.Cleanup(c.endAll) // an ssh that is left holds its output
	read := func() map[string]*got { return inLog(t, log) }
	h.write(300)
	await(t, "log", read, h)
	for range 3 {
		h.write(200)
		d.endAll()
		h.write(100)
		d.again()
		h.write(50)
		await(t, "log", read, h)
		h.write(200)
		c.endAll()
		c.start()
		h.serving.end(syscall.SIGKILL)
		h.write(50)
		h.serving.start()
		await(t, "log", read, h)
	}
	c.end(syscall.SIGTERM)
	awaitNoBridge(t, h.socket)
}

// sshd is a real sshd, on loopback, which accepts only the test's key. Its dir has an ssh
// that is configured for it, as a user's configuration would be.
type sshd struct {
	*process
	address, dir string
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	testkit.Need(t, "ssh", "ssh-keygen")
	const program = "/usr/sbin/sshd" // it starts itself again for each session, by this name
	testkit.Need(t, program)
	if os.Getuid() != 0 {
		t.Skip("sshd needs root here")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll("/run/sshd", 0o755)) //nolint:gosec // where its sessions are confined before they are let in
	d := &sshd{dir: t.TempDir(), address: freeAddress(t)}
	path := func(name string) string { return filepath.Join(d.dir, name) }
	for _, key := range []string{"host", "user"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path(key)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	host, err := os.ReadFile(path("host.pub"))
	must(err)
	ip, port, _ := strings.Cut(d.address, ":")
	for name, text := range map[string]string{
		"sshd_config": fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
			"AuthenticationMethods publickey\n", d.address, path("host"), path("user.pub")),
		"config": fmt.Sprintf("Host h1\nHostName %s\nPort %s\nUser root\nIdentityFile %s\nIdentitiesOnly yes\nUserKnownHostsFile %s\n",
			ip, port, path("user"), path("known")),
		"known": fmt.Sprintf("[%s]:%s %s", ip, port, host),
	} {
		must(os.WriteFile(path(name), []byte(text), 0o600))
	}
	client, err := exec.LookPath("ssh")
	must(err)
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", client, path("config"))
	must(os.WriteFile(path("ssh"), []byte(script), 0o700)) //nolint:gosec // a program
	d.process = run(t, program, "-D", "-e", "-f", path("sshd_config"))
	t.Cleanup(d.endAll) // before the listener's own end, after which its sessions are not known
	d.await(d.address)
	return d
}

// again starts it again, after it has ended.
func (d *sshd) again() {
	d.t.Helper()
	d.start()
	d.await(d.address)
}

// endAll kills a process and all that it has started, as systemd does with a unit.
func (p *process) endAll() {
	p.t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // so that it starts no other meanwhile
	for _, pid := range children(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.end(syscall.SIGKILL)
}

// children returns the processes that a process has started, from any of its threads,
// and their children.
func children(pid int) []int {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []int
	for _, path := range threads {
		text, _ := os.ReadFile(path) // the thread may have ended
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), children(child)...)
			}
		}
	}
	return all
}

// awaitNoBridge waits until no process connects to a socket for a session.
func awaitNoBridge(t *testing.T, socket string) {
	t.Helper()
	left := ""
	for range 1000 {
		left = ""
		commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range commands {
			if text, _ := os.ReadFile(path); bytes.Contains(text, []byte("bridge")) && bytes.Contains(text, []byte(socket)) {
				left = path
			}
		}
		if left == "" {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks at the processes
	}
	t.Errorf("a bridge has not ended: %s", left)
}
