//go:build systemd

package test

import (
	little "encoding/binary"
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

// room is an isolated place, with mounts of its own and a real journald
// (test/peers/journald.sh).
type room struct {
	t        testing.TB
	dir      string
	pid      int // whose mount namespace it is
	journald *exec.Cmd
}

// The programs of journald.
const (
	journaldProgram = "/lib/systemd/systemd-journald"
	remoteProgram   = "/lib/systemd/systemd-journal-remote"
)

// needJournal skips the test if the daemon was built without the journal, or
// there is no journald to test it with.
func needJournal(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this needs root")
	}
	for _, program := range []string{journaldProgram, remoteProgram, "/usr/bin/journalctl"} {
		if _, err := os.Stat(program); err == nil {
			continue
		}
		if testkit.PeersRequired() {
			t.Fatalf("%s is missing: run test/peers/install.sh", program)
		}
		t.Skipf("%s is missing: run test/peers/install.sh", program)
	}
}

// newRoom makes a room in which no journald runs yet.
func newRoom(t testing.TB) *room {
	t.Helper()
	needJournal(t)
	r := &room{t: t, dir: filepath.Join(testkit.ShortDir(t), "room")}
	if err := os.Chmod(filepath.Dir(r.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	r.pid = testkit.Namespace(t, "peers/journald.sh", r.dir)
	return r
}

// startRoom makes a room with a journald that writes to /run.
func startRoom(t testing.TB) *room {
	t.Helper()
	r := newRoom(t)
	r.start()
	return r
}

// command returns a command that runs in the room.
func (r *room) command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", strconv.Itoa(r.pid), "--mount", "--wdns=/"}, args...)...)
}

// run runs a command in the room and returns what it prints.
func (r *room) run(args ...string) string {
	r.t.Helper()
	out, err := r.command(args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (r *room) socket() string { return filepath.Join(r.dir, "sockets", "socket") }

// start starts journald, and returns when it has stored an entry.
func (r *room) start() {
	r.t.Helper()
	_ = os.Remove(r.socket())
	r.journald = r.command(journaldProgram)
	if err := r.journald.Start(); err != nil {
		r.t.Fatal(err)
	}
	journald := r.journald
	r.t.Cleanup(func() {
		if journald.ProcessState == nil {
			_ = journald.Process.Kill()
			_ = journald.Wait()
		}
	})
	r.settle()
}

// stop ends journald.
func (r *room) stop(signal syscall.Signal) {
	r.t.Helper()
	_ = r.journald.Process.Signal(signal)
	_ = r.journald.Wait()
}

// settle returns when journald has stored all that it was sent, and has handled the
// signals that it got.
func (r *room) settle() {
	r.t.Helper()
	token := fmt.Sprintf("settled-%d", time.Now().UnixNano())
	deadline := time.Now().Add(30 * time.Second)
	for sent := false; ; {
		if !sent {
			sent = sendEntry(r.socket(), map[string]string{"MESSAGE": token, "SYSLOG_IDENTIFIER": "settle"}) == nil
		}
		if sent && strings.Contains(r.run("journalctl", "-q", "-o", "cat", "-t", "settle"), token) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("journald stores nothing")
		}
		time.Sleep(5 * time.Millisecond) // for the socket, which are announced nowhere
	}
}

// flush makes journald continue in /var, and returns when it does.
func (r *room) flush() {
	r.t.Helper()
	_ = r.journald.Process.Signal(syscall.SIGUSR1)
	deadline := time.Now().Add(30 * time.Second)
	for r.command("sh", "-c", "test -e /var/log/journal/*/system.journal && ! test -e /run/log/journal/*/system.journal").Run() != nil {
		if time.Now().After(deadline) {
			r.t.Fatal("journald does not flush")
		}
		time.Sleep(5 * time.Millisecond) // for the files, which are announced nowhere
	}
}

// rotate makes journald begin new files.
func (r *room) rotate() { _ = r.journald.Process.Signal(syscall.SIGUSR2) }

// newJournalDaemon describes a daemon that serves the journal of the room.
func (r *room) newDaemon(args ...string) *daemon {
	d := newDaemon(r.t, append([]string{"--backend", "journald"}, args...)...)
	d.journal, d.enter = true, r.command
	return d
}

func (r *room) startDaemon(args ...string) *daemon {
	r.t.Helper()
	d := r.newDaemon(args...)
	d.start()
	return d
}

// sendEntry sends an entry to a journald.
func sendEntry(socket string, fields map[string]string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(encodeEntry(fields))
	return err
}

// encodeEntry returns an entry in journald's native protocol.
func encodeEntry(fields map[string]string) []byte {
	var b []byte
	for name, value := range fields {
		b = append(b, name...)
		b = append(b, '\n')
		b = little.LittleEndian.AppendUint64(b, uint64(len(value)))
		b = append(b, value...)
		b = append(b, '\n')
	}
	return b
}

// podmanEntry returns the fields of a volume event as Podman sends them.
func podmanEntry(name string, at time.Time) map[string]string {
	return map[string]string{
		"SYSLOG_IDENTIFIER": "podman", "PRIORITY": "6", "PODMAN_EVENT": "create", "PODMAN_TYPE": "volume",
		"PODMAN_TIME": at.Format(time.RFC3339Nano), "PODMAN_NAME": name, "MESSAGE": at.String() + " volume create " + name,
	}
}

// The environment that makes this test binary a writer to a journal.
const journalUser = "EVENTSVC_TEST_JOURNAL_USER"

// imitatePodmanInJournal sends events as Podman does, at a rate, as some user.
func imitatePodmanInJournal(socket string) int {
	number := func(name string) int { n, _ := strconv.Atoi(os.Getenv(name)); return n }
	name, count, rate := os.Getenv(writerName), number(writerCount), number(writerRate)
	if uid := number(journalUser); uid != 0 {
		if err := syscall.Setuid(uid); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	began := time.Now()
	_ = conn.SetDeadline(began.Add(2 * time.Minute))
	for i := range count {
		if ahead := time.Duration(i)*time.Second/time.Duration(rate) - time.Since(began); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		if _, err := conn.Write(encodeEntry(podmanEntry(fmt.Sprintf("%s-%d", name, i), time.Now()))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// journalWriters starts processes of several users that send events, and
// returns a function that waits for them.
func (r *room) writers(prefix string, users []int, count, rate int) (wait func()) {
	r.t.Helper()
	var all []*exec.Cmd
	for i, uid := range users {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), journalSocket+"="+r.socket(), journalUser+"="+strconv.Itoa(uid),
			writerName+"="+fmt.Sprintf("%s%d", prefix, i), writerCount+"="+strconv.Itoa(count), writerRate+"="+strconv.Itoa(rate))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, cmd)
	}
	return func() {
		r.t.Helper()
		for _, cmd := range all {
			if err := cmd.Wait(); err != nil {
				r.t.Errorf("a writer: %v", err)
			}
		}
	}
}

// importJournal makes a journal of an export, with systemd-journal-remote.
func importJournal(t testing.TB, export, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(remoteProgram, "-o", filepath.Join(dir, "system.journal"), export)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("systemd-journal-remote: %v\n%s", err, out)
	}
}
