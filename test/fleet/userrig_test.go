package fleet

import (
	"bytes"
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

	"github.com/eventsvc/eventsvc/test/testkit"
)

// firstUID is the uid of the first imitated user; no user of this machine has it.
const firstUID = 71000

// users are imitated users of a host: their runtime directories and their entries in
// /etc/passwd exist only in a mount namespace, in which a separate journald runs.
type users struct {
	t       *testing.T
	dir     string
	holder  int // whose mount namespace it is
	passwd  string
	journal *net.UnixAddr
	log     string
}

func newUsers(t *testing.T) *users {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this needs root")
	}
	const journald = "/lib/systemd/systemd-journald"
	if _, err := os.Stat(journald); err != nil {
		testkit.Missing(t, "systemd-journald", "test/peers/install.sh")
	}
	dir := testkit.ShortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u := &users{
		t: t, dir: dir, holder: testkit.Namespace(t, "../peers/journald.sh", filepath.Join(dir, "room")), passwd: filepath.Join(dir, "passwd"), log: filepath.Join(dir, "events.log"),
		journal: &net.UnixAddr{Name: filepath.Join(dir, "room", "sockets", "socket"), Net: "unixgram"},
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	u.must(os.WriteFile(u.passwd, passwd, 0o644))
	u.must(os.Mkdir(filepath.Join(dir, "runtime"), 0o755))
	// The test does not use the events of this machine's own root.
	u.in("sh", "-c", `mkdir -p /run/user /run/libpod && mount --bind "$0/runtime" /run/user && mount --bind "$0/passwd" /etc/passwd &&
		mount -t tmpfs tmpfs /run/libpod`, dir)
	run(t, u.command(journald)...)
	for range 2000 {
		if c, err := net.DialUnix("unixgram", nil, u.journal); err == nil {
			_ = c.Close()
			return u
		}
		time.Sleep(5 * time.Millisecond) // for the socket, which nothing announces
	}
	t.Fatal("journald does not come up")
	return nil
}

func (u *users) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// command returns a command that runs where the users are.
func (u *users) command(args ...string) []string {
	return append([]string{"nsenter", "--target", strconv.Itoa(u.holder), "--mount", "--wdns=/"}, args...)
}

func (u *users) in(args ...string) {
	u.t.Helper()
	c := u.command(args...)
	if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
		u.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// collect starts a collector of all users.
func (u *users) collect(more ...string) *process {
	u.t.Helper()
	return run(u.t, u.command(append([]string{binary, "collect", "--from", "users", "--log", u.log}, more...)...)...)
}

// person is one of the users, and what it has written.
type person struct {
	*users
	uid     int
	log     string // of the file, "": the journal
	written int
}

// runtime is the runtime directory of the user, as this process sees it.
func (p *person) runtime() string { return filepath.Join(p.dir, "runtime", strconv.Itoa(p.uid)) }

// login gives a user a runtime directory with an empty log, as logind and Podman do.
func (u *users) login(n int) *person {
	u.t.Helper()
	p := &person{users: u, uid: firstUID + n}
	p.log = filepath.Join(p.runtime(), "libpod", "tmp", "events", "events.log")
	p.again()
	return p
}

// again makes the runtime directory.
func (p *person) again() {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.log), 0o700))
	p.must(os.WriteFile(p.log, nil, 0o700))
	p.own(p.runtime())
}

// own gives everything below a path to the user.
func (p *person) own(root string) {
	p.t.Helper()
	p.must(filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, p.uid, p.uid)
		}
		return err
	}))
}

// write appends n events to the log of the user.
func (p *person) write(n int) {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_APPEND|os.O_WRONLY, 0)
	p.must(err)
	defer f.Close()
	for range n {
		_, err := f.Write(eventLine(p.written, ""))
		p.must(err)
		p.written++
	}
}

// rotate rotates the log as Podman 5 rotates a full one.
func (p *person) rotate() {
	p.t.Helper()
	text, err := os.ReadFile(p.log)
	p.must(err)
	kept := text[len(text)/2:]
	kept = kept[bytes.IndexByte(kept, '\n')+1:]
	mark := func(word string) []byte {
		return fmt.Appendf(nil, `{"Name":%q,"Status":"log-rotation","Time":%q,"Type":"system","Attributes":{"io.podman.event.rotate":%q}}`+"\n",
			p.log, time.Now().Format(time.RFC3339Nano), word)
	}
	next := p.log + ".next"
	p.must(os.WriteFile(next, append(append(mark("begin"), kept...), mark("end")...), 0o700))
	p.must(os.Chown(next, p.uid, p.uid))
	p.must(os.Rename(next, p.log))
}

// send writes n events to the journal, as a process of the user.
func (p *person) send(n int) {
	p.t.Helper()
	c := exec.Command("/proc/self/exe") // its path leads through a directory of root's
	c.Env = append(os.Environ(), "EVENTSVC_FLEET_SEND="+fmt.Sprintf("%s %d %d", p.journal.Name, p.written, n))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}}
	if out, err := c.CombinedOutput(); err != nil {
		p.t.Fatalf("cannot write to the journal: %v\n%s", err, out)
	}
	p.written += n
}

// sendEvents is what the process started by send does.
func sendEvents(order string) error {
	var path string
	var first, n int
	if _, err := fmt.Sscan(order, &path, &first, &n); err != nil {
		return err
	}
	c, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := first; i < first+n; i++ {
		entry := fmt.Sprintf("MESSAGE=start\nPRIORITY=6\nSYSLOG_IDENTIFIER=podman\nPODMAN_EVENT=start\nPODMAN_TYPE=container\nPODMAN_TIME=%s\n"+
			"PODMAN_ID=%064x\nPODMAN_NAME=n%d\nPODMAN_IMAGE=hello\n", time.Now().Format(time.RFC3339Nano), i+1, i)
		if _, err := c.Write([]byte(entry)); err != nil {
			return err
		}
	}
	return nil
}

// awaitUsers waits until all events of the users have arrived, each once and in order.
func (u *users) await(all ...*person) {
	u.t.Helper()
	hosts := make([]*host, len(all))
	for i, p := range all {
		hosts[i] = &host{name: userKey(uint32(p.uid)), written: p.written}
	}
	await(u.t, "log", func() map[string]*got { return inLog(u.t, u.log) }, hosts...)
}

// account gives a user an entry in /etc/passwd.
func (u *users) account(p *person, home string) {
	u.t.Helper()
	f, err := os.OpenFile(u.passwd, os.O_APPEND|os.O_WRONLY, 0)
	u.must(err)
	defer f.Close()
	_, err = fmt.Fprintf(f, "u%d:x:%d:%d::%s:/bin/sh\n", p.uid, p.uid, p.uid, home)
	u.must(err)
}

// appendLine ends the line that the log ends with, and begins another.
func (p *person) appendLine() {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_APPEND|os.O_WRONLY, 0)
	p.must(err)
	defer f.Close()
	_, err = f.WriteString("\nno event")
	p.must(err)
}

// awaitLost waits until there are exactly n reports of a gap of the user.
func (u *users) awaitLost(p *person, n int) {
	u.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		g := inLog(u.t, u.log)[userKey(uint32(p.uid))]
		if g != nil && g.lost == n {
			return
		}
		if time.Now().After(deadline) || g != nil && g.lost > n {
			u.t.Fatalf("user %d: %+v, want %d reports", p.uid, g, n)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at the log
	}
}

// awaitClosed waits until the process no longer has a removed file open.
func (p *process) awaitClosed() {
	p.t.Helper()
	for range 2000 {
		open := false
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
		for _, link := range links {
			target, _ := os.Readlink(link)
			open = open || strings.HasSuffix(target, "(deleted)")
		}
		if len(links) > 0 && !open {
			return
		}
		time.Sleep(5 * time.Millisecond) // for the process to let go of what was removed
	}
	p.t.Fatal("a log that was removed is still open")
}

// memory returns the memory of the process, not of the nsenter that started it, in kB.
func (p *process) memory() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kb int
	_, _ = fmt.Sscan(rest, &kb)
	return kb
}
