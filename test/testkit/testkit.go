// Package testkit has what the tests of several packages need: peers, which must be
// installed, a bus daemon of their own, and output that is read while it is written.
package testkit

import (
	"bufio"
	"bytes"
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// PeersRequired reports whether a missing peer is a failure, as in CI:
// EVENTSVC_REQUIRE_PEERS=1.
func PeersRequired() bool { return os.Getenv("EVENTSVC_REQUIRE_PEERS") == "1" }

// Missing skips the test because a peer is missing, or fails it if peers are required. It
// names the script that installs the peer.
func Missing(t testing.TB, what, script string) {
	t.Helper()
	if PeersRequired() {
		t.Fatalf("%s is missing: run %s", what, script)
	}
	t.Skipf("%s is missing: run %s to have this tested", what, script)
}

// Need is Missing for each program that is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program, "test/peers/install.sh")
		}
	}
}

// Start starts a command that the kernel kills if this process dies. The kernel watches
// the thread that started it, and a thread of Go's may end earlier, so that thread is
// kept until the command is waited for.
func Start(c *exec.Cmd) error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = new(syscall.SysProcAttr)
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			// It returns when the process has ended, and leaves it to be waited for.
			_ = unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		}
		runtime.UnlockOSThread()
	}()
	return <-started
}

// OpenDir is t.TempDir, but every user can enter it.
func OpenDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ShortDir is t.TempDir with a path that leaves room for a socket's name: t.TempDir's
// contains the name of the test.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ev") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Peers returns the path of a peer that test/peers installed below its directory.
func Peers(name string) string {
	return filepath.Join(cmp.Or(os.Getenv("EVENTSVC_PEERS"), "/var/cache/eventsvc-peers"), name)
}

// SocketPair returns the two ends of a connection on a unix socket.
func SocketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(ShortDir(t), "p")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	if b, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// Namespace runs test/peers/journald.sh, at this path, which prepares a directory for a
// journald of the test's own. It returns the process that has the mount namespace, which
// ends with the test.
func Namespace(t testing.TB, script, dir string) (pid int) {
	t.Helper()
	holder := exec.Command(script, dir)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%s: %q, %v", script, line, err)
	}
	return holder.Process.Pid
}

// Buffer keeps what is written to it, and can be read meanwhile. The zero
// Buffer is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Len returns how many bytes were written so far.
func (b *Buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Len()
}

// EndsWith reports whether the content ends so, without a copy of all of it.
func (b *Buffer) EndsWith(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.HasSuffix(b.b.Bytes(), []byte(text))
}
