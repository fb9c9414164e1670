//go:build systemd

package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hold lets strace stop journald when it comes to a system call, until the
// function that is returned is called.
func (r *room) hold(t *testing.T, call string) (release func()) {
	t.Helper()
	needProgram(t, "strace")
	// The journald in the room is what nsenter became.
	cmd := exec.Command("strace", "-p", strconv.Itoa(r.journald.Process.Pid), "-o", "/dev/null", "-e", "trace="+call,
		"-e", "inject="+call+":delay_enter=60s")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if requirePeers() {
			t.Fatalf("strace: %q, %v", line, err)
		}
		t.Skipf("strace cannot be used here: %q, %v", line, err)
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	}
}

// comes waits for what nobody tells of.
func comes(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// TestJournalFileThatIsBeingMade stops journald while it makes the file of a
// user: the file is there, and cannot be opened as a journal yet. Nothing tells
// when it can, and what is written elsewhere meanwhile must not hide what comes
// to be written to it.
func TestJournalFileThatIsBeingMade(t *testing.T) {
	r := startRoom(t)
	r.flush()
	d := r.startDaemon()
	follower := d.subscribe(nil)
	r.send(podmanEntry("first", time.Now()))
	want := []string{"first"}
	for i, call := range []string{"fsetxattr", "pwrite64", "fallocate"} {
		uid := 1000 + i
		release := r.hold(t, call)
		wait := r.writers(fmt.Sprintf("user-%d", uid), []int{uid}, 1, 1)
		path := filepath.Join(r.dir, "var", hostMachineID(t), fmt.Sprintf("user-%d.journal", uid))
		comes(t, path, func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
		d.call("GetStatus", nil) // it looks at the journal as it is now
		for n := range 3 {
			if err := sendEntry(r.socket(), podmanEntry(fmt.Sprintf("root-%d-%d", i, n), time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		release()
		wait()
		r.settle()
		want = append(want, fmt.Sprintf("user-%d0-0", uid), fmt.Sprintf("root-%d-0", i), fmt.Sprintf("root-%d-1", i), fmt.Sprintf("root-%d-2", i))
	}
	r.send(podmanEntry("last", time.Now()))
	want = append(want, "last")
	got, err := follower.collect(func(e *event) bool { return e.Name == "last" })
	var list []string
	for i := range got {
		list = append(list, got[i].Name)
	}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("the follower got %q, want %q: %v", list, want, err)
	}
	if n := len(d.history(nil)); n != len(want) {
		t.Errorf("the history has %d events of %d", n, len(want))
	}
}
