package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// waits reports whether a follower waits in a system call, according to
// /proc/PID/syscall: in epoll_pwait(2) for the log file, in ppoll(2) for the journal. Go's own
// thread waits in epoll_pwait as well, for 128 events at a time.
func waits(call string) bool {
	const maxEvents, ofGo = 3, "0x80"
	words := strings.Fields(call)
	return len(words) > maxEvents && (words[0] == strconv.Itoa(unix.SYS_PPOLL) ||
		words[0] == strconv.Itoa(unix.SYS_EPOLL_PWAIT) && words[maxEvents] != ofGo)
}

// pollingThreads returns the threads of a process that wait for the store.
func pollingThreads(t *testing.T, pid int) []int {
	t.Helper()
	calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil {
		t.Fatal(err)
	}
	var threads []int
	for _, path := range calls {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if waits(string(text)) {
			tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			threads = append(threads, tid)
		}
	}
	return threads
}

// Watchdog of a service whose follower is stuck.
func TestWatchdog_followerStuck(t *testing.T) {
	needRoot(t)
	followerIsStuck(t, exec.Command, 2, "--backend", "file", "--log-file", filepath.Join(testkit.ShortDir(t), "log"))
}

// followerIsStuck stops the threads that follow the store one by one, at least that many,
// as a hanging file system would, while everything else continues.
func followerIsStuck(t *testing.T, command func(name string, args ...string) *exec.Cmd, least int, store ...string) {
	t.Helper()
	dir := testkit.ShortDir(t)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	fed := func() bool {
		buffer := make([]byte, 4096)
		for {
			n, err := notify.Read(buffer)
			if err != nil {
				return false
			}
			if string(buffer[:n]) == "WATCHDOG=1" {
				return true
			}
		}
	}
	c := command("/bin/sh", append([]string{
		"-c", `WATCHDOG_PID=$$ exec "$0" serve "$@"`, binary, "--config", "/dev/null",
		"--listen", "unix:" + filepath.Join(dir, "s"), "--dbus", "none",
	}, store...)...)
	c.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "n"), "WATCHDOG_USEC=100000")
	stderr := new(testkit.Buffer)
	c.Stderr = stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	_ = notify.SetReadDeadline(time.Now().Add(20 * time.Second))
	if !fed() {
		t.Fatalf("the watchdog is never fed\n%s", stderr)
	}
	var threads []int
	for deadline := time.Now().Add(5 * time.Second); len(threads) < least && time.Now().Before(deadline); {
		threads = pollingThreads(t, c.Process.Pid) // one may be at work just now
	}
	if len(threads) < least {
		t.Skipf("the threads that follow the store cannot be found out: %v", threads)
	}
	for _, thread := range threads {
		stopThread(t, thread, func() {
			// Events that were read before the stop may still be on their way.
			for late := range 3 {
				_ = notify.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
				if !fed() {
					break
				}
				if late == 2 {
					t.Errorf("the watchdog is fed although thread %d is stopped", thread)
				}
			}
			// The rest of the service still replies.
			w, err := dial(filepath.Join(dir, "s"))
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			if _, err := fmt.Fprint(w.conn, `{"method":"io.systemd.service.Ping"}`+"\x00"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.recv(); err != nil {
				t.Errorf("the service does not answer: %v", err)
			}
		})
		_ = notify.SetReadDeadline(time.Now().Add(20 * time.Second))
		if !fed() {
			t.Errorf("the watchdog is not fed again\n%s", stderr)
		}
	}
	if !strings.Contains(stderr.String(), "event feed is not responding") {
		t.Errorf("the log does not mention it:\n%s", stderr)
	}
}

// stopThread stops one thread of another process while a function runs.
func stopThread(t *testing.T, tid int, during func()) {
	t.Helper()
	runtime.LockOSThread() // ptrace goes by threads
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(tid); err != nil {
		t.Skipf("threads cannot be stopped here: %v", err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(tid, &status, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.PtraceDetach(tid); err != nil {
			t.Error(err)
		}
	}()
	during()
}
