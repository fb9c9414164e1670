package test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// who is a user as the kernel sees it. The numbers are arbitrary: none of them is in
// /etc/passwd or /etc/group.
type who struct {
	uid, gid uint32
	groups   []uint32
}

func (w who) String() string { return fmt.Sprintf("uid %d, gid %d, groups %v", w.uid, w.gid, w.groups) }

const (
	madeUpUser  = 12345
	otherUser   = 23456
	madeUpGroup = 4242
	writeGroup  = 4343
	nobody      = 65534
)

// open lets every user enter the directory of the daemon and run its program.
func (d *daemon) openToAll() (program string) {
	d.t.Helper()
	if err := os.Chmod(d.dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	program = filepath.Join(d.dir, "eventsvc")
	from, err := os.Open(binary)
	if err != nil {
		d.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		d.t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		d.t.Fatal(err)
	}
	return program
}

// ran is the outcome of a program that a user ran.
type ran struct {
	out  string
	pid  int
	fine bool
}

// run runs a program as the user.
func (w who) run(t *testing.T, program string, args ...string) ran {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: w.uid, Gid: w.gid, Groups: w.groups}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{string(out), cmd.Process.Pid, err == nil}
}

// wantDenial waits until the log has a denial of that user and process.
func (d *daemon) wantDenial(action string, w who, pid int) {
	d.t.Helper()
	isThere := func() bool {
		for _, line := range strings.Split(d.stderr.String(), "\n") {
			if strings.Contains(line, "permission denied") && strings.Contains(line, "(action "+action+",") &&
				strings.Contains(line, fmt.Sprintf(", uid %d,", w.uid)) && strings.Contains(line, fmt.Sprintf(", pid %d,", pid)) {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(20 * time.Second); !isThere(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("the log has no denial to %s of uid %d, pid %d:\n%s", action, w.uid, pid, d.stderr)
		}
	}
}

// On Varlink each user reads and writes what it may.
func TestAccess_varlink(t *testing.T) {
	needRoot(t)
	d := newDaemon(t, "--allow-read", fmt.Sprintf("@%d", madeUpGroup), "--allow-write", fmt.Sprintf("@%d", writeGroup))
	program := d.openToAll()
	open, readOnly := filepath.Join(d.dir, "open"), filepath.Join(d.dir, "ro")
	d.args = append(d.args, "--listen", "unix:"+open+",mode=0666", "--listen", "unix:"+readOnly+",mode=0666,readonly")
	appendTo(t, d.log, lineOf("secret"))
	d.start()
	root := who{}
	for _, test := range []struct {
		who           who
		reads, writes bool
		denied        bool // it may not even read what is its own
	}{
		{who{}, true, true, false},
		{who{madeUpUser, madeUpUser, nil}, false, false, false},
		{who{madeUpUser, madeUpUser, []uint32{madeUpGroup}}, true, false, false},
		{who{madeUpUser, madeUpGroup, nil}, true, false, false},
		{who{madeUpUser, madeUpUser, []uint32{7, writeGroup}}, false, true, false},
		{who{madeUpUser, writeGroup, []uint32{madeUpGroup}}, true, true, false},
		{who{madeUpUser, 0, []uint32{0}}, false, false, false}, // the group of root is not root
		{who{nobody, nobody, nil}, false, false, true},
	} {
		for _, door := range []string{open, readOnly} {
			address := "unix:" + door
			name := fmt.Sprintf("%v at %s", test.who, filepath.Base(door))
			got := test.who.run(t, program, "events", "--all-users", "--stream=false", "--address", address)
			if got.fine == test.denied || strings.Contains(got.out, "secret") != test.reads {
				t.Errorf("%s reads %+v", name, got)
			}
			if test.denied {
				d.wantDenial("read events", test.who, got.pid)
			}
			got = test.who.run(t, program, "status", "--address", address)
			if got.fine == test.denied || strings.Contains(got.out, d.log) != test.reads {
				t.Errorf("the status for %s is %+v", name, got)
			}
			got = test.who.run(t, program, "write", "--address", address, "--type", "volume", "--status", "create", "--name", "secret")
			if writes := test.writes && door == open; got.fine != writes {
				t.Errorf("%s writes: %+v", name, got)
			} else if !writes {
				d.wantDenial("write events", test.who, got.pid)
			}
		}
	}
	// The socket for root only is closed to others.
	for _, args := range [][]string{{"events", "--stream=false"}, {"status"}} {
		args = append(args, "--address", "unix:"+d.socket)
		if got := root.run(t, program, args...); !got.fine {
			t.Errorf("root at its own socket: %+v", got)
		}
		if got := (who{madeUpUser, madeUpUser, []uint32{madeUpGroup}}).run(t, program, args...); got.fine || !strings.Contains(got.out, "permission denied") {
			t.Errorf("a user at root's socket: %+v", got)
		}
	}
}

// Only the user sees the events of its own engine.
func TestAccess_ownEngine(t *testing.T) {
	needRoot(t)
	d := newDaemon(t)
	program := d.openToAll()
	d.args = append(d.args, "--listen", "unix:"+filepath.Join(d.dir, "open")+",mode=0666")
	appendTo(t, d.log, lineOf("mine"))
	if err := os.Chown(d.log, madeUpUser, madeUpUser); err != nil {
		t.Fatal(err)
	}
	d.start()
	args := []string{"events", "--all-users", "--stream=false", "--address", "unix:" + filepath.Join(d.dir, "open")}
	if got := (who{uid: madeUpUser, gid: madeUpUser}).run(t, program, args...); !strings.Contains(got.out, "mine") {
		t.Errorf("the owner sees %+v", got)
	}
	if got := (who{uid: otherUser, gid: madeUpUser}).run(t, program, args...); !got.fine || strings.Contains(got.out, "mine") {
		t.Errorf("another user, of the same group, sees %+v", got)
	}
}

// On D-Bus each user reads and writes what it may.
func TestDBus_access(t *testing.T) {
	needRoot(t)
	testkit.Need(t, "busctl")
	bus := testkit.StartBus(t, buspolicy.System(t))
	d := newDaemon(t, "--dbus", bus.Address(), "--allow-read", fmt.Sprintf("@%d", madeUpGroup), "--allow-write", fmt.Sprintf("@%d", writeGroup))
	appendTo(t, d.log, lineOf("secret"))
	d.start()
	d.awaitLog("serving on D-Bus")
	// dbus-daemon accepts only users that exist: these are "daemon" and "bin".
	const daemonUser, binUser = 1, 2
	busctl := func(w who, args ...string) ran {
		return w.run(t, "busctl", append([]string{"--address=" + bus.Address(), "--no-pager", "call", busName, objectPath}, args...)...)
	}
	for _, test := range []struct {
		who           who
		reads, writes bool
		denied        bool
	}{
		{who{}, true, true, false},
		{who{daemonUser, daemonUser, nil}, false, false, false},
		{who{daemonUser, daemonUser, []uint32{madeUpGroup}}, true, false, false},
		{who{binUser, madeUpGroup, nil}, true, false, false},
		{who{binUser, binUser, []uint32{7, writeGroup}}, false, true, false},
		{who{nobody, nobody, nil}, false, false, true},
	} {
		got := busctl(test.who, busName, "GetEvents", "asa{sv}", "0", "1", "all_users", "b", "true")
		if got.fine == test.denied || strings.Contains(got.out, "secret") != test.reads {
			t.Errorf("%v reads %+v", test.who, got)
		}
		if test.denied {
			d.wantDenial("read events", test.who, got.pid)
		}
		got = busctl(test.who, "org.freedesktop.DBus.Properties", "Get", "ss", busName, "LogPath")
		if got.fine == test.denied || strings.Contains(got.out, d.log) != test.reads {
			t.Errorf("the path for %v is %+v", test.who, got)
		}
		got = busctl(test.who, busName, "WriteEvent", "a{sv}", "3", "type", "s", "volume", "status", "s", "create", "name", "s", "secret")
		if got.fine != test.writes {
			t.Errorf("%v writes: %+v", test.who, got)
		}
		if !test.writes {
			d.wantDenial("write events", test.who, got.pid)
		}
	}
}
