package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/oldclient"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// These tests are about how a podman-remote 1.x reaches the service. service/iopodman
// tests the replies.

// legacyPatience is how long these tests wait for something that must arrive.
const legacyPatience = 20 * time.Second

// legacyLog is what an old client is shown of a log of three events.
const legacyLog = `{"ID":"a1","Image":"alpine","Name":"web","Status":"create","Time":"2020-05-22T12:00:00.5Z","Type":"container"}
{"ID":"a1","Image":"alpine","Name":"web","Status":"exec_died","Time":"2020-05-22T12:00:01Z","Type":"container","ContainerExitCode":0}
{"Name":"data","Status":"create","Time":"2020-05-22T14:00:02+02:00","Type":"volume"}
`

// legacyLines is what the client then prints.
func legacyLines(t *testing.T) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, "2020-05-22T14:00:02+02:00")
	if err != nil {
		t.Fatal(err)
	}
	return "2020-05-22 12:00:00.5 +0000 UTC container create a1 (image=alpine, name=web)\n" + at.String() + " volume create data\n"
}

// legacyPast are the arguments of a command that shows the past and ends.
var legacyPast = []string{"events", "--since", "2000-01-01", "--until", "0s"}

// startLegacy starts a daemon with the log that also serves the address of the old
// server.
func startLegacy(t *testing.T) (d *daemon, old string) {
	t.Helper()
	d = newDaemon(t)
	old = filepath.Join(d.dir, "io.podman")
	d.args = []string{"--listen", "unix:" + old}
	appendTo(t, d.log, legacyLog)
	d.start()
	needLegacy(t, d)
	return d, old
}

// needLegacy skips the test, or fails it, if the daemon does not serve old
// clients.
func needLegacy(t *testing.T, d *daemon) {
	t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	got := legacyAsk(t, w, `{"method":"org.varlink.service.GetInfo"}`)
	if !strings.Contains(got, `"io.podman"`) {
		if testkit.PeersRequired() {
			t.Fatal("this build of eventsvc serve does not serve io.podman")
		}
		t.Skip("this build of eventsvc serve does not serve io.podman")
	}
}

func legacyAsk(t *testing.T, w *wire, frame string) string {
	t.Helper()
	_ = w.conn.SetDeadline(time.Now().Add(legacyPatience))
	if _, err := w.conn.Write(append([]byte(frame), 0)); err != nil {
		t.Fatal(err)
	}
	got, err := w.r.ReadString(0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// legacyRun runs the imitation of an old client on a connection.
func legacyRun(conn io.ReadWriter, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = oldclient.Run(conn, &out, &errs, args...)
	return code, out.String(), errs.String()
}

// legacyDial connects to a socket; reading from it fails after legacyPatience.
func legacyDial(t *testing.T, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(legacyPatience))
	return conn
}

// An old client is served on the old socket and on every other.
func TestLegacy_everySocket(t *testing.T) {
	d, old := startLegacy(t)
	for _, socket := range []string{old, d.socket} {
		code, stdout, stderr := legacyRun(legacyDial(t, socket), legacyPast...)
		if code != 0 || stdout != legacyLines(t) || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q, stdout\n%s", socket, code, stderr, stdout)
		}
		w, err := dial(socket)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		if got := legacyAsk(t, w, `{"method":"io.podman.events.GetEvents"}`); !strings.Contains(got, `"exec_died"`) {
			t.Errorf("%s: the new interface says %s", socket, got)
		}
	}
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the old socket is %v, %v, want mode 0600", info.Mode(), err)
	}
}

// An old client gets an error when the daemon stops.
func TestLegacy_daemonStops(t *testing.T) {
	d, old := startLegacy(t)
	conn := legacyDial(t, old)
	type result struct {
		code           int
		stdout, stderr string
	}
	done := make(chan result, 1)
	go func() {
		code, stdout, stderr := legacyRun(conn, "events", "--since", "2000-01-01")
		done <- result{code, stdout, stderr}
	}()
	deadline := time.Now().Add(legacyPatience)
	for d.call("GetStatus", nil).Parameters.Subscribers == 0 {
		if time.Now().After(deadline) {
			t.Fatal("end of the subscriptions")
		}
		time.Sleep(2 * time.Millisecond) // for the client, which does not say that it follows
	}
	d.stop()
	got := <-done
	if got.code != 125 || got.stdout != legacyLines(t) || !strings.Contains(got.stderr, "the event service is stopping") {
		t.Errorf("%+v", got)
	}
}

// legacyBridge runs a command as an old client runs PODMAN_VARLINK_BRIDGE: by
// the shell, its stdin and stdout the connection.
type legacyBridge struct {
	io.Reader
	io.WriteCloser
	cmd    *exec.Cmd
	stderr *testkit.Buffer
}

func startBridge(t *testing.T, command string, env ...string) *legacyBridge {
	t.Helper()
	b := &legacyBridge{cmd: exec.CommandContext(within(t, legacyPatience), "sh", "-c", command), stderr: new(testkit.Buffer)}
	b.cmd.Env, b.cmd.Stderr = append(os.Environ(), env...), b.stderr
	stdin, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Reader, b.WriteCloser = stdout, stdin
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

// end closes both pipes and waits for the command, as an old client does at its end.
func (b *legacyBridge) end(t *testing.T) {
	t.Helper()
	b.Reader.(io.Closer).Close()
	b.WriteCloser.Close()
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("the bridge ended with %v\n%s", err, b.stderr)
	}
}

// legacySSH makes a stand-in for ssh in a directory of programs: it runs the
// command that is meant for the other host, with more programs to find there.
func legacySSH(t *testing.T, programs string) (here string) {
	t.Helper()
	here = testkit.ShortDir(t)
	const script = `#!/bin/sh
while [ "$1" != -- ] && [ "$1" != host ] && [ "$1" != me@host ]; do shift; done
while [ "$1" = -- ] || [ "$1" = host ] || [ "$1" = me@host ]; do shift; done
PATH=%s:$PATH exec sh -c "$*"
`
	if err := os.WriteFile(filepath.Join(here, "ssh"), fmt.Appendf(nil, script, programs), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return here
}

// An old client is served over a bridge.
func TestLegacy_bridge(t *testing.T) {
	d, _ := startLegacy(t)
	ssh := legacySSH(t, filepath.Dir(binary))
	command := "ssh host eventsvc bridge --address unix:" + d.socket
	for _, args := range [][]string{legacyPast, {"events", "--stream=false"}, {"events", "--filter", "bad"}, {"version"}} {
		b := startBridge(t, command, "PATH="+ssh+":"+os.Getenv("PATH"))
		code, stdout, stderr := legacyRun(b, args...)
		switch {
		case args[len(args)-1] == "bad":
			if code != 125 || !strings.Contains(stderr, `cannot understand filter "bad"`) {
				t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
			}
		case code != 0 || stderr != "" || len(args) == len(legacyPast) && stdout != legacyLines(t):
			t.Errorf("%v: exit code %d, stderr %q, stdout\n%s", args, code, stderr, stdout)
		}
		b.end(t)
	}
	// An old client that follows is interrupted: its ends of the pipes are closed.
	b := startBridge(t, command, "PATH="+ssh+":"+os.Getenv("PATH"))
	if _, err := io.WriteString(b, `{"method":"io.podman.GetEvents","parameters":{"filter":[],"since":"2000-01-01","until":""},"more":true}`+"\x00"); err != nil {
		t.Fatal(err)
	}
	if first, err := bufio.NewReader(b).ReadString(0); err != nil || !strings.Contains(first, `"name":"web"`) {
		t.Fatalf("the first reply is %q, %v", first, err)
	}
	b.end(t)
}

// legacyShim is a program "varlink" for hosts that old clients reach with
// --remote-host, as in docs/legacy.md.
func legacyShim(t *testing.T, d *daemon) (there string) {
	t.Helper()
	there = testkit.ShortDir(t)
	script := "#!/bin/sh\nexec " + binary + " bridge --address unix:" + d.socket + "\n"
	if err := os.WriteFile(filepath.Join(there, "varlink"), []byte(script), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return there
}

// An old client is served over SSH as it starts it by itself.
func TestLegacy_ssh(t *testing.T) {
	d, _ := startLegacy(t)
	ssh := legacySSH(t, legacyShim(t, d))
	b := startBridge(t, `ssh -p 22 -T me@host -- varlink -A \'podman --log-level=error varlink \\\$VARLINK_ADDRESS\' bridge`,
		"PATH="+ssh+":"+os.Getenv("PATH"))
	code, stdout, stderr := legacyRun(b, legacyPast...)
	if code != 0 || stdout != legacyLines(t) || stderr != "" {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", code, stderr, stdout)
	}
	b.end(t)
}

// A service that is activated by Varlink serves, and exits with its last client.
func TestLegacy_varlinkActivation(t *testing.T) {
	d, _ := startLegacy(t) // to know that this build serves old clients
	d.stop()
	socket := filepath.Join(d.dir, "activated")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID is that of the service itself: the shell becomes it.
	cmd := exec.CommandContext(within(t, legacyPatience), "sh", "-c", `LISTEN_PID=$$ exec "$0" serve --backend file --log-file "$1"`, binary, d.log)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=varlink", "VARLINK_ADDRESS=unix:"+socket)
	cmd.ExtraFiles = []*os.File{file}
	stderr := new(testkit.Buffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	// The client can connect at once: the socket is already listening.
	conn := legacyDial(t, socket)
	if code, stdout, errs := legacyRun(conn, legacyPast...); code != 0 || stdout != legacyLines(t) || errs != "" {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", code, errs, stdout)
	}
	conn.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("without a client the service ended with %v\n%s", err, stderr)
	}
}

func TestLegacy_varlinkctl(t *testing.T) {
	d, old := startLegacy(t)
	call := func(args ...string) string {
		t.Helper()
		cmd := peer(t, "varlinkctl.sh", args...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("varlinkctl %v: %v", args, err)
		}
		return strings.Trim(string(out), "\x1e\n")
	}
	var got struct{ Events struct{ Name, Status string } }
	out := call("-j", "call", "unix:"+old, "io.podman.GetEvents", `{"filter":["type=volume"]}`)
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Events.Name != "data" {
		t.Errorf("the oldest volume is %s, %v", out, err)
	}
	if out := call("introspect", "unix:"+d.socket, "io.podman"); !strings.Contains(out, "method GetEvents") {
		t.Errorf("introspection says %s", out)
	}
}
