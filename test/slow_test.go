package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/imitate"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// trace attaches strace, which makes system calls of the daemon fail or counts them. The
// function that it returns detaches strace.
func (d *daemon) trace(args ...string) (detach func()) {
	d.t.Helper()
	t := d.t.(*testing.T)
	testkit.Need(t, "strace")
	d.call("GetStatus", nil) // it has started
	cmd := exec.Command("strace", append([]string{"-f", "-p", strconv.Itoa(d.pid())}, args...)...)
	said := new(testkit.Buffer)
	cmd.Stderr = said
	if err := testkit.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	detach = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(10 * time.Second): // it waits for a thread that waits
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	t.Cleanup(detach)
	for !strings.Contains(said.String(), "attached") {
		select {
		case <-ended:
			t.Skipf("strace may not trace here: %s", said)
		case <-time.After(time.Millisecond):
		}
	}
	return detach
}

// Signals in system calls and a slow disk change nothing.
func TestFaults_signalsAndSlowDisk(t *testing.T) {
	for _, test := range []struct {
		name   string
		strace []string
	}{
		// Every third call of each kind, on whatever thread, is interrupted.
		{"Interrupted calls", []string{
			"-e", "trace=openat,statx,pread64,write,writev,fdatasync,fcntl,read,accept4,inotify_add_watch",
			"-e", "inject=openat,statx,pread64,write,writev,fdatasync,fcntl,read,accept4,inotify_add_watch:error=EINTR:when=1+3",
		}},
		{"A disk that takes 30 ms", []string{
			"-e", "trace=fdatasync,fsync",
			"-e", "inject=fdatasync,fsync:delay_exit=30000",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, m := newDaemon(t, "--sync", "always"), newModel(t)
			if d.unit == nil { // whose log is Podman's
				d.args = append(d.args, "--log-max-size", "400k")
			}
			d.start()
			trace := filepath.Join(t.TempDir(), "trace") // not beside the log, where it would be watched
			defer func() {
				if t.Failed() {
					t.Log(d.said())
				}
			}()
			detach := d.trace(append([]string{"-o", trace}, test.strace...)...)
			follower := d.subscribe(nil)
			var all sync.WaitGroup
			const each = 60
			for i := range 4 {
				all.Go(func() { m.writeThrough(d, fmt.Sprintf("w%d", i), each) })
			}
			all.Wait()
			m.end(d)
			log := d.history(nil)
			m.checkLog(log)
			got := watched{who: "the follower"}
			var err error
			if got.events, err = follower.collect(isEnd); err != nil {
				t.Fatal(err)
			}
			m.checkAll(&got, log)
			d.wantFault("")
			detach()
			b, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			n := strings.Count(string(b), "INJECTED") + strings.Count(string(b), "DELAYED")
			if n < each {
				t.Errorf("only %d calls were tampered with", n)
			}
			t.Logf("%d calls were tampered with", n)
		})
	}
}

// Events are synced when --sync says.
func TestFaults_sync(t *testing.T) {
	for mode, want := range map[string]func(events, syncs int) bool{
		"never":    func(_, syncs int) bool { return syncs == 0 },
		"always":   func(events, syncs int) bool { return syncs == events },
		"interval": func(events, syncs int) bool { return syncs >= 1 && syncs < events },
	} {
		t.Run(mode, func(t *testing.T) {
			d := newDaemon(t, "--sync", mode)
			trace := filepath.Join(t.TempDir(), "trace") // not beside the log, where it would be watched
			d.start()
			detach := d.trace("-o", trace, "-e", "trace=fdatasync")
			w, err := dial(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			const count = 20
			for n := range count {
				if _, err := w.write(fmt.Sprintf("e-%d", n)); err != nil {
					t.Fatal(err)
				}
			}
			if mode == "interval" { // which is over when the log is closed, if not before
				d.stop()
			}
			detach()
			b, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(b), "fdatasync("); !want(count, n) {
				t.Errorf("%d events, acknowledged one by one, took %d calls of fdatasync", count, n)
			}
		})
	}
}

// A clock that jumps changes neither order nor cursors.
func TestFaults_clockJumps(t *testing.T) {
	d := startDaemon(t)
	follower := d.subscribe(nil)
	now := time.Now()
	var want []string
	for n, jump := range []time.Duration{0, -24 * time.Hour, 0, 24 * time.Hour, 0, -24 * time.Hour, 48 * time.Hour, 0} {
		for i := range 3 {
			name := fmt.Sprintf("j%d-%d", n, i)
			appendTo(t, d.log, imitate.Line(name, now.Add(jump+time.Duration(i)*time.Millisecond))+"\n")
			want = append(want, name)
		}
	}
	for _, name := range want {
		if got := follower.nextEvent(t); got != name {
			t.Fatalf("the follower gets %s, want %s", got, name)
		}
	}
	all := d.history(nil)
	if got := namesOf(all); got != strings.Join(want, " ") {
		t.Errorf("the past is %s", got)
	}
	for n, e := range all {
		if got := namesOf(d.history(params{"after": e.Cursor})); got != strings.Join(want[n+1:], " ") {
			t.Errorf("after %s: %s", e.Name, got)
		}
	}
	since := now.Add(time.Hour).UTC().Format(time.RFC3339Nano)
	if got := namesOf(d.history(params{"since": since})); got != "j3-0 j3-1 j3-2 j6-0 j6-1 j6-2" {
		t.Errorf("since an hour ahead: %s", got)
	}
}

// TestFaults_diskFails aborts the file system of the log, as happens when its disk fails.
func TestFaults_diskFails(t *testing.T) {
	needRoot(t)
	testkit.Need(t, "mkfs.ext4")
	d := newDaemon(t, "--sync", "always")
	image, disk := filepath.Join(d.dir, "image"), filepath.Join(d.dir, "disk")
	if d.unit != nil {
		disk = filepath.Dir(d.log)
	}
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-e", "remount-ro", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", image, disk).CombinedOutput(); err != nil {
		t.Skipf("a file system cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	d.log = filepath.Join(disk, "events.log")
	d.start()
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if _, err := w.write("before"); err != nil {
		t.Fatal(err)
	}
	follower := d.subscribe(nil)
	// This has the effect of an error that ext4 finds in its own data.
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "abort"); err != nil {
		t.Skipf("the file system cannot be made to fail here: %v", err)
	}
	if _, err := w.write("refused"); err == nil || !strings.Contains(err.Error(), "BackendUnavailable") {
		t.Errorf("a write to a disk that failed: %v", err)
	} else {
		t.Log(err)
	}
	if d.call("GetStatus", nil).Parameters.Fault == "" {
		t.Error("the status says nothing")
	}
	if got := namesOf(d.history(nil)); got != "before" {
		t.Errorf("the past is %q", got)
	}
	_ = follower
}
