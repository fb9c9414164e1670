package fleet

import (
	"bytes"
	native "encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// The requests of FUSE that get a reply (linux/fuse.h).
const (
	fuseLookup  = 1
	fuseForget  = 2
	fuseGetattr = 3
	fuseOpen    = 14
	fuseRead    = 15
	fuseInit    = 26
	fuseOpendir = 27
)

// fuse is a file system that a user has mounted. Its root has one file, and a test can
// make it stop replying.
type fuse struct {
	*person
	fuseKind
	path   string // as the users see it
	fd     int
	device *os.File
	asked  chan struct{} // closed once a request is left without an answer
	stop   chan struct{}
	ended  sync.WaitGroup
	once   sync.Once
}

// fuseKind is what a file system does.
type fuseKind struct {
	below string // the runtime directory
	empty bool   // it has no file
	hangs func(opcode uint32) bool
}

// mount mounts a file system.
func (p *person) mount(kind fuseKind) *fuse {
	p.t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		testkit.Missing(p.t, "/dev/fuse", "a kernel with FUSE")
	}
	f := &fuse{person: p, fuseKind: kind, fd: fd, asked: make(chan struct{}), stop: make(chan struct{})}
	f.path = filepath.Join("/run/user", strconv.Itoa(p.uid), kind.below)
	args := p.command("mount", "-i", "-t", "fuse", "-o",
		fmt.Sprintf("fd=%d,rootmode=040000,user_id=%d,group_id=%d,allow_other,default_permissions", 3, p.uid, p.uid), "hung", f.path)
	c := exec.Command(args[0], args[1:]...)
	inherited := os.NewFile(uintptr(fd), "fuse")
	c.ExtraFiles = []*os.File{inherited}
	if out, err := c.CombinedOutput(); err != nil {
		p.t.Fatalf("cannot mount: %v\n%s", err, out)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // a request may be taken back before it is read
		p.t.Fatal(err)
	}
	f.device = inherited
	f.ended.Go(f.serve)
	p.t.Cleanup(f.die)
	return f
}

// die makes the kernel reply for it, with an error, as when the program that serves a
// file system is killed. It stays mounted.
func (f *fuse) die() {
	f.once.Do(func() {
		close(f.stop)
		f.ended.Wait()
		_ = f.device.Close()
	})
}

func (f *fuse) serve() {
	request := make([]byte, 1<<20)
	hung := false
	for {
		select {
		case <-f.stop:
			return
		default:
		}
		ready := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(ready, 20); n == 0 {
			continue
		}
		n, err := unix.Read(f.fd, request)
		if err != nil || n < 40 {
			continue // of a request that was interrupted
		}
		opcode := native.NativeEndian.Uint32(request[4:])
		if opcode != fuseInit && f.hangs(opcode) {
			if !hung {
				close(f.asked)
			}
			hung = true
			continue
		}
		if opcode == fuseForget {
			continue
		}
		unique, node := native.NativeEndian.Uint64(request[8:]), native.NativeEndian.Uint64(request[16:])
		failed, body := f.answer(opcode, node)
		reply := native.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
		reply = native.NativeEndian.AppendUint32(reply, uint32(-int32(failed)))
		reply = append(native.NativeEndian.AppendUint64(reply, unique), body...)
		_, _ = unix.Write(f.fd, reply)
	}
}

func (f *fuse) answer(opcode uint32, node uint64) (failed unix.Errno, body []byte) {
	const file = 2
	put32 := func(values ...uint32) {
		for _, v := range values {
			body = native.NativeEndian.AppendUint32(body, v)
		}
	}
	put64 := func(values ...uint64) {
		for _, v := range values {
			body = native.NativeEndian.AppendUint64(body, v)
		}
	}
	attributes := func(node uint64) { // valid for no time, so that each use asks again
		mode, size := uint32(unix.S_IFDIR|0o700), uint64(0)
		if node == file {
			mode, size = unix.S_IFREG|0o600, 1000
		}
		put64(node, size, 0, 0, 0, 0)
		put32(0, 0, 0, mode, 1, uint32(f.uid), uint32(f.uid), 0, 4096, 0)
	}
	switch opcode {
	case fuseInit:
		put32(7, 31, 0, 0, 0, 1<<16, 1)
		body = append(body, make([]byte, 64-len(body))...)
	case fuseLookup:
		if f.empty {
			return unix.ENOENT, nil
		}
		put64(file, 0, 0, 0)
		put32(0, 0)
		attributes(file)
	case fuseGetattr:
		put64(0)
		put32(0, 0)
		attributes(node)
	case fuseOpen, fuseOpendir:
		put64(0)
		put32(0, 0)
	default:
		return unix.ENOSYS, nil
	}
	return 0, body
}

// If a user's file system does not reply, or stops replying while a log is opened, watched
// or read, only that user's events are delayed; they arrive when it replies again.
func TestCollect_hungFileSystems(t *testing.T) {
	u := newUsers(t)
	var hung []*fuse
	var owners []*person
	mount := func(kind fuseKind) {
		p := u.login(10 + len(owners))
		p.write(5)
		hung = append(hung, p.mount(kind))
		owners = append(owners, p)
	}
	for range 6 { // more than are read in parallel
		mount(fuseKind{hangs: func(uint32) bool { return true }})
		mount(fuseKind{below: "libpod/tmp/events", hangs: func(opcode uint32) bool { return opcode == fuseRead }})
	}
	// It replies that there is nothing, and then does not reply whether that may be watched.
	looked := false
	mount(fuseKind{below: "libpod", empty: true, hangs: func(opcode uint32) bool {
		hangs := looked
		looked = looked || opcode == fuseLookup
		return hangs
	}})
	good := u.login(0)
	c := u.collect()
	for _, f := range hung {
		select {
		case <-f.asked:
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing was asked of the file system at %s", f.path)
		}
	}
	longest := time.Duration(0)
	others := func(more ...*person) {
		t.Helper()
		for _, p := range append(more, good) {
			began := time.Now()
			p.write(20)
			u.await(p)
			longest = max(longest, time.Since(began))
		}
	}
	for i := range 5 {
		others(u.login(1 + i)) // is found while nothing answers
	}
	for _, f := range hung {
		f.die()
	}
	began, used := time.Now(), c.processorTime()
	for time.Since(began) < 3*time.Second {
		others()
	}
	share := (c.processorTime() - used).Seconds() / time.Since(began).Seconds()
	t.Logf("%d file systems hang, and then are dead; the events of others came after %v at most; %.0f %% of a processor, %d kB of memory",
		len(hung), longest, 100*share, c.memory())
	if longest > 10*time.Second || share > 0.5 {
		t.Error("that is too much")
	}
	all := inLog(t, u.log)
	for _, p := range owners {
		if g := all[userKey(uint32(p.uid))]; g != nil {
			t.Errorf("user %d has events in the log: %+v", p.uid, *g)
		}
	}
	for _, f := range hung {
		u.in("umount", "-l", f.path)
	}
	u.await(append(owners, good)...)
}

// processorTime returns the processor time that the process has used.
func (p *process) processorTime() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime, of 1/100 s
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
