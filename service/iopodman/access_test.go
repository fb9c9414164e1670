package iopodman_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store/null"
	"github.com/eventsvc/eventsvc/test/oldclient"
)

// unchanged leaves a user ID of a thread as it is.
const unchanged = ^uintptr(0)

// dialAs connects as another user, with a thread that takes on its ID.
func (r *rig) dialAs(uid int) net.Conn {
	r.t.Helper()
	if os.Geteuid() != 0 {
		r.t.Skip("only root can connect as another user")
	}
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged); errno != 0 {
		r.t.Fatal(errno)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: r.path})
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, 0, unchanged); errno != 0 {
		r.t.Fatal(errno) // and the thread ends with the goroutine, which still has it locked
	}
	runtime.UnlockOSThread()
	if err != nil {
		r.t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// runAs runs the imitation of an old client as another user.
func (r *rig) runAs(uid int, args ...string) result {
	r.t.Helper()
	var stdout, stderr strings.Builder
	code := oldclient.Run(r.dialAs(uid), &stdout, &stderr, args...)
	return result{code, stdout.String(), stderr.String()}
}

const (
	owner    = 1234
	stranger = 1235
	nobody   = 65534 // what the kernel shows for a user outside the user namespace
)

func TestAccess_ownEngineOnly(t *testing.T) {
	lines := containers(1, 5)
	r := newRoom(t)
	r.append(lines...)
	if err := os.Chown(r.log, owner, owner); err != nil {
		t.Skip("only root can give the log to another user")
	}
	r.serveLog()
	everything := printed(t, lines, all)
	r.runAs(0, past()...).want(t, 0, "", "")
	r.runAs(0, past("--filter", "uid=*")...).want(t, 0, everything, "")
	r.runAs(0, past("--filter", "uid=1234")...).want(t, 0, everything, "")
	r.runAs(0, past("--filter", "uid=1235")...).want(t, 0, "", "")
	r.runAs(stranger, past("--filter", "uid=*")...).want(t, 0, "", "")
	r.runAs(owner, past()...).want(t, 0, everything, "")
	r.runAs(stranger, past()...).want(t, 0, "", "")
	r.runAs(stranger, "events", "--stream=false").want(t, 0, "", "")
}

func TestAccess_unnamedUser(t *testing.T) {
	r := newRig(t, containers(1, 5)...)
	for _, args := range [][]string{{"events"}, {"events", "--stream=false"}, past()} {
		got := r.runAs(nobody, args...)
		if got.code != 125 || got.stdout != "" || !strings.HasPrefix(got.stderr, "Error: cannot read events: permission denied for uid 65534") ||
			!strings.HasSuffix(got.stderr, "; ask the administrator, or run the command as root\n") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestAccess_strangerSeesNoPath(t *testing.T) {
	r := newRig(t)
	if err := os.Mkdir(r.log, 0o700); err != nil {
		t.Fatal(err)
	}
	got := r.runAs(stranger, past()...)
	got.want(t, 125, "", "Error: the events cannot be reached now; the log of the service says why, ask the administrator\n")
}

func TestAccess_strangerOfABackendThatKeepsNothing(t *testing.T) {
	r := newRoom(t)
	r.serve(new(null.Store))
	r.runAs(stranger, "events").want(t, 125, "", keepsNothing)
}

func TestAccess_turnsOfOldClients(t *testing.T) {
	const uid = 1234
	r := newRoom(t)
	// Twice as much as a socket holds, so that who does not read is still in the past.
	var lines []string
	for n := range 2000 {
		lines = append(lines, lineWithImage(n, strings.Repeat("x", 1000)))
	}
	r.append(lines...)
	if err := os.Chown(r.log, uid, uid); err != nil {
		t.Skipf("only root can give a file away: %v", err)
	}
	r.serveLog()
	const follow = `{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"2020-01-01T00:00:00Z","until":""},"more":true}` + "\x00"
	const once = `{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"","until":""}}` + "\x00"
	read := make([]byte, 1)
	var stalled []net.Conn
	for range limits.PastReadersPerUID {
		c := r.dialAs(uid)
		if _, err := io.WriteString(c, follow); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(read); err != nil { // it is in the past, and reads no further
			t.Fatal(err)
		}
		stalled = append(stalled, c)
	}
	waiting := r.dialAs(uid)
	if _, err := io.WriteString(waiting, once); err != nil {
		t.Fatal(err)
	}
	_ = waiting.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := waiting.Read(read); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("it did not wait: %v", err)
	}
	// Others do not notice: root, and who wants nothing of the past.
	if got := r.runAs(0, "events", "--stream=false"); got.code != 0 {
		t.Errorf("root gets %+v", got)
	}
	live := r.dialAs(uid)
	if _, err := io.WriteString(live, strings.Replace(follow, "2020-01-01T00:00:00Z", "", 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the live one follows", func() bool { return r.feed.Subscribers() == limits.PastReadersPerUID+1 })
	r.append(lineWithImage(9999, "new"))
	if _, err := live.Read(read); err != nil {
		t.Errorf("a live stream gets nothing: %v", err)
	}
	stalled[0].Close()
	_ = waiting.SetReadDeadline(time.Now().Add(patience))
	if _, err := waiting.Read(read); err != nil {
		t.Errorf("there is room, and it gets %v", err)
	}
}

// lineWithImage returns the line of an event with an image of that name.
func lineWithImage(n int, image string) string {
	return fmt.Sprintf(`{"ID":"%064x","Image":%q,"Name":"c%d","Status":"create","Time":"2026-11-23T12:00:00.%09dZ","Type":"container"}`,
		n, image, n, n+1)
}
