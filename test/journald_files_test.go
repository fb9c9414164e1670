//go:build systemd

package test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// hold lets strace stop journald when it comes to a system call, until the
// function that is returned is called.
func (r *room) hold(t *testing.T, call string) (release func()) {
	t.Helper()
	testkit.Need(t, "strace")
	// nsenter has become the journald of the room.
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
		if testkit.PeersRequired() {
			t.Fatalf("strace: %q, %v", line, err)
		}
		t.Skipf("strace cannot be used here: %q, %v", line, err)
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	}
}

// TestJournal_fileBeingMade stops journald while it creates the file of a user: the file
// exists, but cannot be opened as a journal yet. Nothing announces when it can, and what
// is written to other files meanwhile must not hide what is written to this one later.
func TestJournal_fileBeingMade(t *testing.T) {
	r := startRoom(t)
	r.flush()
	d := r.startDaemon()
	follower := d.subscribe(everyUser)
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
	if n := len(d.history(everyUser)); n != len(want) {
		t.Errorf("the history has %d events of %d", n, len(want))
	}
}

// Watchdog of a service whose journal follower is stuck.
func TestWatchdog_journalFollowerStuck(t *testing.T) {
	r := startRoom(t)
	followerIsStuck(t, func(name string, args ...string) *exec.Cmd { return r.command(append([]string{name}, args...)...) }, 1, "--backend", "journald")
}

// TestJournal_fileDamaged adds a file to the journal whose second half is lost: its
// readable part is read, other files are unaffected, and the damage is reported.
func TestJournal_fileDamaged(t *testing.T) {
	r := newRoom(t)
	importGenerated(t, 20_000, filepath.Join(r.dir, "var", hostMachineID(t)))
	files, err := filepath.Glob(filepath.Join(r.dir, "var", hostMachineID(t), "*.journal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are the files %q: %v", files, err)
	}
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, st.Size()/4), st.Size()/2); err != nil {
		t.Fatal(err)
	}
	r.start()
	d := r.startDaemon()
	follower := d.subscribe(nil)
	n := len(d.history(nil))
	t.Logf("%d of 2000 events are left", n)
	r.send(podmanEntry("new", time.Now()))
	if got, err := follower.collect(func(e *event) bool { return e.Name == "new" }); err != nil || len(got) != 1 {
		t.Errorf("the follower got %d events: %v", len(got), err)
	}
	if again := len(d.history(nil)); again != n+1 {
		t.Errorf("first there are %d events, then, with one more, %d", n, again)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Skipped != 2000-n || !strings.Contains(s.LastSkipped, filepath.Base(files[0])) {
		t.Errorf("%d events cannot be read, but %d were counted: %s", 2000-n, s.Skipped, s.LastSkipped)
	}
	if !strings.Contains(d.stderr.String(), "damaged") {
		t.Errorf("the log does not mention it:\n%s", d.stderr)
	}
}

// TestJournal_filesCannotBeOpened takes away the descriptors that a reader would need.
// The reader gets an error, and not only a part of the events.
func TestJournal_filesCannotBeOpened(t *testing.T) {
	r := newRoom(t)
	const files, before = 20, "51a5c3f3eb3847d7827ca5123c5208d5"
	now := time.Duration(time.Now().UnixMicro()) * time.Microsecond
	for i := range files {
		r.appears(fmt.Sprintf("system@%d.journal", i), exported(before, fmt.Sprintf("e-%d", i), now-time.Hour+time.Duration(i)*time.Second, time.Duration(i+1)*time.Second))
	}
	d := r.startDaemon()
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	read := func() *reply {
		t.Helper()
		if err := w.send("GetEvents", params{}, false); err != nil {
			t.Fatal(err)
		}
		answer, err := w.recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if n := len(read().Parameters.Events); n != files {
		t.Fatalf("%d events of %d", n, files)
	}
	// Half of the descriptors that a reader needs are free when the last reader has closed its own.
	var few unix.Rlimit
	comes(t, "the end of the last reader", func() bool {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		used := make(map[string]bool)
		for _, path := range open {
			used[filepath.Base(path)] = true
		}
		few.Cur = 0
		for free := 0; free < files/2; few.Cur++ {
			if !used[strconv.FormatUint(few.Cur, 10)] {
				free++
			}
		}
		return len(open) < 2*files
	})
	var limit unix.Rlimit
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	few.Max = limit.Max
	for range 3 {
		if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
			t.Fatal(err)
		}
		if answer := read(); answer.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(answer.Parameters.Reason, "too many open files") {
			t.Errorf("without descriptors the answer has %d events of %d, and the error %q: %s",
				len(answer.Parameters.Events), files, answer.Error, answer.Parameters.Reason)
		}
		if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			t.Fatal(err)
		}
		if n := len(read().Parameters.Events); n != files {
			t.Errorf("with descriptors again, %d events of %d", n, files)
		}
	}
}

// newDaemonAs describes a daemon of a user without any group.
func (r *room) newDaemonAs(user int, args ...string) *daemon {
	r.t.Helper()
	testkit.Need(r.t, "setpriv")
	d := r.newDaemon(args...)
	for _, dir := range []string{d.dir, filepath.Dir(binary)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := os.Chown(d.dir, user, user); err != nil {
		r.t.Fatal(err)
	}
	id := strconv.Itoa(user)
	d.enter = func(args ...string) *exec.Cmd {
		return r.command(append([]string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "env", "HOME=" + d.dir, "XDG_RUNTIME_DIR=" + d.dir}, args...)...)
	}
	return d
}

// TestJournal_unreadable: a journal that may not be read, or not even be listed, is an
// error, and not a journal without events.
func TestJournal_unreadable(t *testing.T) {
	r := startRoom(t)
	r.flush()
	r.send(podmanEntry("of root", time.Now()))
	dir := filepath.Join(r.dir, "var", hostMachineID(t))
	d := r.newDaemonAs(1000)
	d.start()
	const sentence = "run eventsvc as root, or as a user in the group systemd-journal"
	for _, mode := range []os.FileMode{0o755, os.ModeSetgid | 0o750, os.ModeSetgid | 0o751, 0o744} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GetEvents", "GetLastEvent"} {
			if reply := d.call(method, everyUser); reply.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(reply.Parameters.Reason, sentence) {
				t.Errorf("mode %v, %s: %+v", mode, method, reply)
			}
		}
		d.wantFault(sentence)
		out, err := r.command("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", binary, "events", "--address", "unix:"+d.socket, "--stream=false").CombinedOutput()
		if err == nil || !strings.Contains(string(out), sentence) {
			t.Errorf("mode %v, the command: %q, %v", mode, out, err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.writers("own", []int{1000}, 1, 1)() // journald makes a file that the user may read
	r.settle()
	d.wantFault("")
	if all := d.history(everyUser); len(all) != 1 || all[0].Name != "own0-0" {
		t.Errorf("then there are %+v", all)
	}
}

// TestJournal_partlyUnreadable: while some files of a directory of journals may not be
// read, the status reports a fault.
func TestJournal_partlyUnreadable(t *testing.T) {
	r := newRoom(t)
	dir := filepath.Join(r.dir, "collected")
	files := make([]string, 3)
	for i := range files {
		id := strings.Repeat(strconv.Itoa(i), 32)
		var export bytes.Buffer
		if err := writeExport(&export, 20); err != nil {
			t.Fatal(err)
		}
		from := filepath.Join(testkit.ShortDir(t), "export")
		text := regexp.MustCompile("_BOOT_ID=.*").ReplaceAllString(export.String(), "_BOOT_ID="+id)
		if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		importJournal(t, from, filepath.Join(dir, id))
		files[i] = filepath.Join(dir, id, "system.journal")
	}
	mode := func(mode os.FileMode, files ...string) {
		for _, file := range files {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	mode(0o644, files[0])
	mode(0o600, files[1:]...)
	d := r.newDaemonAs(1000, "--journal-directory", dir)
	d.start()
	fault := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // for the grace that a new file has
			if got := d.call("GetStatus", nil).Parameters.Fault; (got == "") == (want == "") || time.Now().After(deadline) {
				d.wantFault(want)
				return
			}
		}
	}
	fault("2 files are left out, the first: cannot open " + files[1] + ": permission denied")
	d.awaitLog("cannot read the journal")
	if n := len(d.history(everyUser)); n != 2 {
		t.Errorf("of 6 events %d are there, want the 2 that may be read", n)
	}
	out, err := d.enter(binary, "serve", "--check-config", "--config", os.DevNull, "--journal-directory", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "2 files are left out") {
		t.Errorf("--check-config says %q, %v", out, err)
	}
	mode(0o644, files...)
	fault("")
	if n := len(d.history(everyUser)); n != 6 {
		t.Errorf("then %d events are there", n)
	}
}

// TestJournal_ofOthers: a user can read only its own files of the host's journal, which
// is no fault.
func TestJournal_ofOthers(t *testing.T) {
	r := startRoom(t)
	r.flush()
	r.send(podmanEntry("of root", time.Now()))
	r.writers("own", []int{1000, 1001}, 1, 1)()
	r.settle()
	time.Sleep(1500 * time.Millisecond) // the grace that a new file has is over
	d := r.newDaemonAs(1000)
	d.start()
	d.wantFault("")
	d.awaitLog("this user may read its own files of the journal alone")
}

// TestJournal_away moves the directory of a journal away while it is served: that is an
// error, not a journal without entries, and when it is back nothing is missing.
func TestJournal_away(t *testing.T) {
	r := startRoom(t)
	r.flush()
	dir := filepath.Join(r.dir, "var", hostMachineID(t))
	d := r.startDaemon()
	follower := d.subscribe(everyUser)
	r.send(podmanEntry("before", time.Now()))
	if _, err := follower.collect(func(e *event) bool { return e.Name == "before" }); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	const sentence = "there is none of this machine"
	d.wantFault(sentence)
	for _, method := range []string{"GetEvents", "GetLastEvent"} {
		if reply := d.call(method, everyUser); reply.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(reply.Parameters.Reason, sentence) {
			t.Errorf("%s: %+v", method, reply)
		}
	}
	if err := sendEntry(r.socket(), podmanEntry("meanwhile", time.Now())); err != nil { // what journald stores is not seen now
		t.Fatal(err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	r.send(podmanEntry("after", time.Now()))
	got, err := follower.collect(func(e *event) bool { return e.Name == "after" })
	if err != nil || len(got) < 2 || got[len(got)-2].Name != "meanwhile" {
		t.Errorf("the follower has %+v, %v", got, err)
	}
	if all := d.history(everyUser); len(all) != 3 {
		t.Errorf("the past is %+v", all)
	}
}

// TestJournal_userFilesRotated follows as a user who can read only its own files, and
// those only some time after journald has created them.
func TestJournal_userFilesRotated(t *testing.T) {
	r := startRoom(t)
	r.flush()
	const user = 1000
	r.writers("before", []int{user}, 1, 1)()
	r.settle()
	d := r.newDaemonAs(user)
	d.start()
	follower := d.subscribe(params{"allUsers": true, "fromStart": true})
	const rounds, each = 10, 20
	for i := range rounds {
		r.rotate()
		r.writers(fmt.Sprintf("round-%d-", i), []int{user, 0}, each, 2000)()
	}
	r.settle()
	r.writers("last", []int{user}, 1, 1)()
	got, err := follower.collect(func(e *event) bool { return strings.HasPrefix(e.Name, "last") })
	if want := 1 + rounds*each + 1; err != nil || len(got) != want {
		t.Errorf("the follower got %d events of %d: %v", len(got), want, err)
	}
	if n := len(d.history(everyUser)); n != 1+rounds*each+1 {
		t.Errorf("the history has %d events of %d", n, 1+rounds*each+1)
	}
}
