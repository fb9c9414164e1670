package varlinkwire

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// activatedEnv makes the test binary a service that was started with sockets.
const activatedEnv = "EVENTSVC_TEST_ACTIVATED"

func TestMain(m *testing.M) {
	if os.Getenv(activatedEnv) != "" {
		os.Exit(activated())
	}
	if path := os.Getenv(strangerEnv); path != "" {
		os.Exit(connectAsStranger(path))
	}
	os.Exit(m.Run())
}

// activated prints what it was started with.
func activated() int {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	a, err := FromActivation()
	if err != nil {
		fmt.Println("error:", err)
		return 0
	}
	for _, l := range a.Listeners {
		fmt.Println("listener", l.Name(), l.Path(), l.ReadOnly())
	}
	for _, c := range a.Conns {
		peer, err := peerOf(c)
		fmt.Println("conn", peer.UID, err)
		_, _ = c.Write([]byte("hello"))
	}
	again, err := FromActivation()
	fmt.Println("again", again.Any(), err, os.Getenv("LISTEN_FDS"))
	a.Close()
	return 0
}

// activate starts the test binary with sockets and returns what it prints.
func activate(t *testing.T, names string, files ...*os.File) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), activatedEnv+"=1", "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String()
}

func fileOf(t *testing.T, s interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestActivation_kinds(t *testing.T) {
	dir := testkit.ShortDir(t)
	var listeners []*os.File
	for _, name := range []string{"a", "b"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listeners = append(listeners, fileOf(t, l))
	}
	ours, theirs := testkit.SocketPair(t)
	out := activate(t, "varlink:events-readonly:connection", listeners[0], listeners[1], fileOf(t, theirs))
	want := fmt.Sprintf("listener varlink %s/a false\nlistener events-readonly %s/b true\nconn %d <nil>\nagain false <nil> \n", dir, dir, os.Getuid())
	if out != want {
		t.Errorf("the service was started with\n%s, want\n%s", out, want)
	}
	hello := make([]byte, 5)
	if _, err := ours.Read(hello); err != nil || string(hello) != "hello" {
		t.Errorf("the connection says %q, %v", hello, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); err != nil {
		t.Errorf("systemd's socket file is gone: %v", err)
	}
}

func TestActivation_noStreamSocket(t *testing.T) {
	dir := testkit.ShortDir(t)
	udp, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "d")})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, f := range []*os.File{fileOf(t, udp), fileOf(t, tcp), file} {
		out := activate(t, "odd", f)
		if !strings.HasPrefix(out, `error: cannot use the socket "odd" that the service was started with`) {
			t.Errorf("the service says %q", out)
		}
	}
}

func TestActivation_listener(t *testing.T) {
	r := newRig(t)
	sock, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(r.dir, "a")})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	var a Activated
	if err := a.add(fileOf(t, sock)); err != nil || !a.Any() {
		t.Fatal(err)
	}
	r.serving.Go(func() { _ = r.server.Serve(context.Background(), a.Listeners[0]) })
	dial(t, a.Listeners[0].Path()).alive()
	r.end()
	if _, err := os.Lstat(filepath.Join(r.dir, "a")); err != nil {
		t.Errorf("the socket file is gone: %v", err)
	}
}

func TestPeer_credentials(t *testing.T) {
	ours, theirs := testkit.SocketPair(t)
	defer ours.Close()
	peer, err := peerOf(theirs)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := unix.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if peer.UID != uint32(os.Getuid()) || peer.GID != uint32(os.Getgid()) || int(peer.PID) != os.Getpid() || len(peer.Groups) != len(groups) {
		t.Errorf("peer is %+v, want uid %d, pid %d, groups %v", peer, os.Getuid(), os.Getpid(), groups)
	}
}

func TestPeer_manyGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can choose its user and groups")
	}
	path := filepath.Join(testkit.ShortDir(t), "s")
	l, err := Listen("unix:" + path + ",mode=0666")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), strangerEnv+"="+path)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := l.sock.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.sock.AcceptUnix()
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	peer, err := peerOf(conn)
	conn.Close()
	if waitErr := cmd.Wait(); waitErr != nil {
		t.Fatalf("%v: %s", waitErr, out.String())
	}
	if err != nil || peer.UID != 1234 || peer.GID != 1235 || len(peer.Groups) != manyGroups || peer.Groups[manyGroups-1] != 5099 {
		t.Errorf("peer is %+v, %v", peer, err)
	}
}

// strangerEnv makes the test binary a client that is another user, and has the
// path of the socket.
const strangerEnv = "EVENTSVC_TEST_STRANGER"

const manyGroups = 100

// connectAsStranger becomes user 1234 of group 1235 and many others, connects,
// and waits for the end of the connection.
func connectAsStranger(path string) int {
	groups := make([]int, manyGroups)
	for i := range groups {
		groups[i] = 5000 + i
	}
	for _, err := range []error{syscall.Setgroups(groups), syscall.Setgid(1235), syscall.Setuid(1234)} {
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, _ = conn.Read(make([]byte, 1))
	return 0
}
