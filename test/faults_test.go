package test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// mountTmpfs mounts a file system of a number of bytes below the daemon's directory, for
// its log.
func (d *daemon) mountTmpfs(size int) (mountpoint string) {
	d.t.Helper()
	needRoot(d.t.(*testing.T))
	if mountpoint = filepath.Join(d.dir, "disk"); d.unit != nil {
		mountpoint = filepath.Dir(d.log) // the only place that its sandbox lets it write to
	}
	if err := os.MkdirAll(mountpoint, 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", mountpoint, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		d.t.Skipf("a file system cannot be mounted here: %v", err)
	}
	d.t.Cleanup(func() { _ = unix.Unmount(mountpoint, unix.MNT_DETACH) })
	d.log = filepath.Join(mountpoint, "events.log")
	return mountpoint
}

// fill fills a file system except for a few bytes.
func fill(t *testing.T, path string, room int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, block := int64(0), make([]byte, 4096)
	for {
		n, err := f.Write(block)
		size += int64(n)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(max(0, size-room)); err != nil {
		t.Fatal(err)
	}
}

// wantFault checks that the status reports a fault with the text; "" for none.
func (d *daemon) wantFault(text string) {
	d.t.Helper()
	fault := d.call("GetStatus", nil).Parameters.Fault
	if text == "" && fault != "" || !strings.Contains(fault, text) {
		d.t.Errorf("the status says %q, want %q", fault, text)
	}
}

// When the disk is full, nothing is lost, and what was acknowledged is stored.
func TestFaults_diskFull(t *testing.T) {
	for _, mode := range []string{"never", "always"} {
		t.Run("sync "+mode, func(t *testing.T) {
			d, m := newDaemon(t, "--sync", mode), newModel(t)
			disk := d.mountTmpfs(1 << 20)
			d.start()
			follower := d.subscribe(nil)
			for round := range 3 {
				ballast := filepath.Join(disk, "ballast")
				fill(t, ballast, 16<<10) // tmpfs gives room by the page, so that a write stops in the middle of a line
				var all sync.WaitGroup
				for i := range 4 {
					all.Go(func() { m.writeUntilFull(d, fmt.Sprintf("r%dw%d", round, i)) })
				}
				all.Wait()
				d.wantFault("no space left on device")
				d.awaitLog("cannot write events")
				if n := strings.Count(d.said(), "cannot write events"); n > 20*(round+1) {
					t.Errorf("the log says %d times that nothing can be written", n)
				}
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
				w, err := dial(d.socket)
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("after-%d", round)
				cursor, err := w.write(name)
				w.close()
				if err != nil {
					t.Fatalf("with room again: %v", err)
				}
				m.stored(name, cursor)
				d.wantFault("")
			}
			m.end(d)
			log := d.history(nil)
			m.checkLog(log)
			got := watched{who: "a follower of all that"}
			var err error
			if got.events, err = follower.collect(isEnd); err != nil {
				t.Fatal(err)
			}
			m.checkAll(&got, log)
			m.wantWholeLines(d)
			t.Logf("%d events acknowledged, %d refused, %d in the log", len(m.acked), len(m.maybe), len(log))
		})
	}
}

// writeUntilFull writes until writes have been refused a number of times.
func (m *model) writeUntilFull(d *daemon, writer string) {
	w, err := dial(d.socket)
	if err != nil {
		m.t.Error(err)
		return
	}
	defer w.close()
	refused := 0
	for i := 0; refused < 5; i++ {
		name := fmt.Sprintf("%s-%d", writer, i)
		cursor, err := w.write(name)
		switch {
		case err == nil:
			m.stored(name, cursor)
		case strings.Contains(err.Error(), "BackendUnavailable") && strings.Contains(err.Error(), "make room on its file system"):
			refused++ // and it is not to be in the log
		default:
			m.t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// wantWholeLines checks that nothing unfinished is in the log.
func (m *model) wantWholeLines(d *daemon) {
	m.t.Helper()
	b, err := os.ReadFile(d.log)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, line := range strings.SplitAfter(string(b), "\n") {
		if line != "" && (!strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}\n")) {
			m.t.Errorf("the log has the line %q", line)
		}
	}
}

// A log that cannot be written can be read, and is written again when that is possible.
func TestFaults_cannotWrite(t *testing.T) {
	for _, before := range []bool{false, true} {
		d := newDaemon(t)
		if before && d.unit != nil {
			continue // a sandbox keeps what was read-only when it was made
		}
		disk := d.mountTmpfs(1 << 20)
		appendTo(t, d.log, lineOf("before"))
		remount := func(flags uintptr) {
			t.Helper()
			if err := unix.Mount("", disk, "", unix.MS_REMOUNT|flags, ""); err != nil {
				t.Fatal(err)
			}
		}
		if before {
			remount(unix.MS_RDONLY)
			d.start()
		} else {
			d.start()
			remount(unix.MS_RDONLY)
		}
		if got := namesOf(d.history(nil)); got != "before" {
			t.Errorf("read-only, and the past is %q", got)
		}
		follower := d.subscribe(nil)
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		if _, err := w.write("refused"); err == nil || !strings.Contains(err.Error(), "BackendUnavailable") || !strings.Contains(err.Error(), "read-only file system") {
			t.Errorf("a write to a file system that is read-only: %v", err)
		}
		d.wantFault("read-only file system")
		remount(0)
		if _, err := w.write("after"); err != nil {
			t.Error(err)
		}
		d.wantFault("")
		if got := follower.nextEvent(t); got != "after" {
			t.Errorf("the follower gets %s", got)
		}
	}
}

// A store that vanishes is reported and used again when it is back.
func TestFaults_storeVanishes(t *testing.T) {
	d := newDaemon(t)
	disk := d.mountTmpfs(1 << 20)
	d.start()
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	follower := d.subscribe(nil)
	step := func(name string) {
		t.Helper()
		if _, err := w.write(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Either the follower gets it, or it is notified that something may be lost.
		got := follower.nextEvent(t)
		if got == "io.podman.events.CursorExpired" {
			follower = d.subscribe(params{"fromStart": true})
			got = follower.nextEvent(t)
		}
		if got != name {
			t.Fatalf("%s was written, the follower gets %s", name, got)
		}
		if all := d.history(nil); len(all) == 0 || all[len(all)-1].Name != name {
			t.Errorf("%s was acknowledged, the log has %q", name, namesOf(all))
		}
	}
	step("first")
	if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	step("unmounted") // into the directory that was below
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	step("mounted anew")
	if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if got := namesOf(d.history(nil)); got != "unmounted" {
		t.Errorf("unmounted again, the log has %q", got)
	}
	if err := os.RemoveAll(disk); err != nil {
		t.Fatal(err)
	}
	step("directory deleted")
	d.wantFault("")
}

// Without descriptors, connected clients continue and nothing is lost.
func TestFaults_noDescriptors(t *testing.T) {
	d, m := startDaemon(t), newModel(t)
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	write := func(name string) {
		t.Helper()
		cursor, err := w.write(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.stored(name, cursor)
	}
	write("first")
	follower := d.subscribe(nil)
	pid := d.pid()
	var usual unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &usual); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: usual.Max}, nil); err != nil {
			t.Skipf("the limit of a process cannot be set here: %v", err)
		}
	}
	limit(3) // lower than what it has open: not one more
	late, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer late.close()
	if err := late.send("GetStatus", nil, false); err != nil {
		t.Fatal(err)
	}
	d.awaitLog("cannot accept connections now")
	for n := range 10 {
		name := fmt.Sprintf("without-%d", n)
		write(name)
		if got := follower.nextEvent(t); got != name {
			t.Fatalf("%s was written, the follower gets %s", name, got)
		}
	}
	// A Podman rotates: the new file cannot be opened now.
	p := imitate.Podman{Path: d.log, Limit: 1}
	if err := p.Write(imitate.Line("rotated", time.Now())); err != nil {
		t.Fatal(err)
	}
	d.awaitLog("cannot read the log")
	limit(usual.Cur)
	for got := ""; got != "rotated"; { // the marker of the rotation comes first
		if got = follower.nextEvent(t); got != d.log && got != "rotated" {
			t.Fatalf("the follower gets %s", got)
		}
	}
	_ = late.conn.SetReadDeadline(time.Now().Add(time.Minute))
	if r, err := late.recv(); err != nil || r.Error != "" {
		t.Errorf("the client that had to wait got %v %v", r, err)
	}
	d.wantFault("")
	d.awaitLog("accepting connections again")
}

// With more connections than descriptors, connected clients are served, and the others as soon as a descriptor is free.
func TestFaults_moreConnectionsThanDescriptors(t *testing.T) {
	const descriptors, many = 64, 300
	d := newMetered(t)
	d.limitDescriptors(descriptors)
	d.start()
	o := d.witness()
	o.suffers(func() {
		conns := make([]*wire, many)
		for i := range conns {
			conn, err := knock(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			conns[i] = &wire{conn: conn.(*net.UnixConn), r: bufio.NewReader(conn)}
			if err := conns[i].send("GetStatus", nil, false); err != nil {
				t.Fatal(err)
			}
		}
		d.awaitLog("cannot accept connections now")
		for range 10 {
			o.isServed()
		}
		for i, w := range conns {
			_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
			if r, err := w.recv(); err != nil || r.Error != "" {
				t.Fatalf("client %d gets %v %v", i, r, err)
			}
			w.close() // which makes room for the next
		}
	})
	d.wantFault("")
}
