package test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// knock connects, and retries while the kernel's queue of connections is full.
func knock(socket string) (net.Conn, error) {
	for {
		conn, err := net.Dial("unix", socket)
		if !errors.Is(err, unix.EAGAIN) {
			return conn, err
		}
		time.Sleep(time.Millisecond)
	}
}

// hungUp reports whether the other end of a connection is closed.
func hungUp(conn net.Conn) bool {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		_, _ = unix.Poll(poll, 0)
		gone = poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone
}

// dialAs connects as another user, in a thread that takes on its ID.
func (d *daemon) dialAs(uid int, socket string) *wire {
	d.t.Helper()
	needRoot(d.t.(*testing.T))
	const unchanged = ^uintptr(0)
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged); errno != 0 {
		d.t.Fatal(errno)
	}
	w, err := dial(socket)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, 0, unchanged); errno != 0 {
		d.t.Fatal(errno) // and the thread ends with the goroutine, which still has it locked
	}
	runtime.UnlockOSThread()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(w.close)
	return w
}

// ask calls GetStatus and returns the reply, or the error as text.
func (w *wire) ask() (*reply, error) {
	_ = w.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := w.send("GetStatus", nil, false); err != nil {
		return nil, err
	}
	return w.recv()
}

// A client that hits a limit of connections gets an error; no other client is affected.
func TestLimits_connections(t *testing.T) {
	needRoot(t)
	d := newMetered(t, "--max-connections", "20", "--max-connections-per-uid", "3")
	d.openToAll()
	open := d.dir + "/open"
	d.args = append(d.args, "--listen", "unix:"+open+",mode=0666")
	d.start()
	o := d.witness()
	wantRefusal := func(w *wire, reason string) {
		t.Helper()
		if r, err := w.ask(); err != nil || r.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(r.Parameters.Reason, reason) {
			t.Errorf("at the limit: %+v %v, want %q", r, err, reason)
		}
		w.close()
	}
	served := func(w *wire) *wire {
		t.Helper()
		if r, err := w.ask(); err != nil || r.Error != "" {
			t.Errorf("below the limit: %+v %v", r, err)
		}
		return w
	}
	for uid := madeUpUser; uid < madeUpUser+2; uid++ {
		first := served(d.dialAs(uid, open))
		for range 2 {
			served(d.dialAs(uid, open))
		}
		for range 5 {
			wantRefusal(d.dialAs(uid, open), "your user has too many connections to the service (3)")
		}
		served(first)
		o.isServed()
	}
	// Other users are served until half of all is taken; the rest is reserved for root.
	served(d.dialAs(otherUser, open))
	served(d.dialAs(otherUser, open))
	wantRefusal(d.dialAs(otherUser, open), "too many connections to the service (10)")
	for range 10 {
		served(d.dialAs(0, open))
	}
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(w, "too many connections to the service (20)")
	o.isServed()
	d.awaitLog("too many connections to the service (10)")
	if n := strings.Count(d.said(), "refusing connections"); n != 3 {
		t.Errorf("two users and all together hit a bound, the log says so %d times:\n%s", n, d.stderr)
	}
}

// TestConnections_subordinateUIDs: a user that may become many users (subuid(5)) has no
// more connections than one user.
func TestConnections_subordinateUIDs(t *testing.T) {
	needRoot(t)
	d := newMetered(t, "--max-connections", "40", "--max-connections-per-uid", "4")
	d.openToAll()
	const first = 700000
	subuid := filepath.Join(d.dir, "subuid")
	if err := os.WriteFile(subuid, fmt.Appendf(nil, "%d:%d:65536\n", madeUpUser, first), 0o644); err != nil {
		t.Fatal(err)
	}
	d.enter = func(args ...string) *exec.Cmd {
		const inside = `mount --bind "$1" /etc/subuid && shift && exec "$@"`
		return exec.Command("unshare", append([]string{"--mount", "sh", "-c", inside, "sh", subuid}, args...)...)
	}
	if _, err := os.Stat("/etc/subuid"); err != nil {
		t.Skip("/etc/subuid is missing: it comes with package passwd")
	}
	open := d.dir + "/open"
	d.args = append(d.args, "--listen", "unix:"+open+",mode=0666")
	d.start()
	// It answers at its first address before others may connect to its second.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if st, err := os.Stat(open); err == nil && st.Mode().Perm() == 0o666 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the second socket: %v, %v", st, err)
		}
	}
	refused := 0
	for uid := first; uid < first+16; uid++ {
		if r, err := d.dialAs(uid, open).ask(); err != nil || r.Error != "" {
			refused++
		}
	}
	if refused != 12 {
		t.Errorf("%d of 16 subordinate users of one user were refused, want all but 4", refused)
	}
	if r, err := d.dialAs(madeUpUser, open).ask(); err != nil || r.Error == "" {
		t.Errorf("the user itself: %+v, %v", r, err)
	}
	for _, uid := range []int{otherUser, first + 65536} {
		if r, err := d.dialAs(uid, open).ask(); err != nil || r.Error != "" {
			t.Errorf("uid %d: %+v, %v", uid, r, err)
		}
	}
}

// The setting --max-request-size bounds a request.
func TestLimits_requests(t *testing.T) {
	d := startMetered(t, "--max-request-size", "8k")
	o := d.witness()
	for size, want := range map[int]string{7000: "InvalidCursor", 9000: "InvalidParameter"} {
		replies, _ := d.say(`{"method":"io.podman.events.GetEvents","parameters":{"after":"` + strings.Repeat("x", size) + `"}}` + "\x00" + theEnd)
		if len(replies) == 0 || !strings.Contains(replies[0], want) {
			t.Errorf("a request of %d bytes: %q", size, replies)
		}
	}
	o.baseline()
}
