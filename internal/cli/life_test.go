package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestServe_watchdog(t *testing.T) {
	dir := host(t, "")
	m := testkit.ListenAsManager(t, dir)
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"),
		"--listen", "unix:"+filepath.Join(dir, "s"))
	// sh knows the process ID that the watchdog is for.
	c.Args = append([]string{"sh", "-c", `WATCHDOG_PID=$$ exec "$0" "$@"`, c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Path, "WATCHDOG_USEC=100000")
	startServe(t, c)
	for range 5 {
		m.Await("WATCHDOG=1")
	}
	c.Process.Signal(syscall.SIGTERM)
	m.Await("STOPPING=1")
	checkCode(t, exitOf(t, c), exitOK)
}

func TestServe_notifiesSystemdWhenIdle(t *testing.T) {
	dir := host(t, "")
	m := testkit.ListenAsManager(t, dir)
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"),
		"--listen", "unix:"+filepath.Join(dir, "s"), "--exit-idle-time", "100ms")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Path)
	errs := startServe(t, c)
	m.Await("STOPPING=1")
	m.Await("BARRIER=1", "STOPPING=1")
	checkCode(t, exitOf(t, c), exitOK)
	errs.expect(t, "the service has been idle")
}

// Sockets are served by their names.
func TestServe_namedSockets(t *testing.T) {
	dir := host(t, "")
	names := []string{"varlink", "legacy", "readonly", "front-door"}
	var files []*os.File
	for _, name := range names {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		file, err := listener.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"))
	activated(c, files...)
	c.Env = append(c.Env, "LISTEN_FDNAMES="+strings.Join(names, ":"))
	errs := startServe(t, c)
	errs.expect(t, "(name front-door)")
	for _, known := range names[:3] {
		if strings.Contains(errs.String(), "unknown FileDescriptorName=") && strings.Contains(errs.String(), "(name "+known+")") {
			t.Errorf("there is a warning about %s: %s", known, errs)
		}
	}
	for _, name := range names {
		want := exitOK
		if name == "readonly" {
			want = exitDenied
		}
		_, stderr, code := runIn(t.Context(), "write", "--type", "volume", "--status", "create", "--name", name,
			"--address", "unix:"+filepath.Join(dir, name))
		if code != want {
			t.Errorf("writing through %s ends with %d, want %d: %s", name, code, want, stderr)
		}
	}
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), exitOK)
}

func TestServe_stdinAndStdout(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "log")
	writeFile(t, log, sample)
	writeFile(t, filepath.Join(dir, "containers.conf"), fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\n", log))
	for name, wire := range map[string]func(c *exec.Cmd) (io.WriteCloser, io.Reader){
		"Pipes": func(c *exec.Cmd) (io.WriteCloser, io.Reader) {
			in, _ := c.StdinPipe()
			out, _ := c.StdoutPipe()
			return in, out
		},
		"One socket, as of sshd": func(c *exec.Cmd) (io.WriteCloser, io.Reader) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			near, far := os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
			defer near.Close()
			conn, err := net.FileConn(near)
			if err != nil {
				t.Fatal(err)
			}
			c.Stdin, c.Stdout = far, far
			t.Cleanup(func() { conn.Close(); far.Close() })
			return conn.(*net.UnixConn), conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := process(t) // no words at all: that is all that ssh-exec: can give
			c.Env = append(c.Env, "SYSTEMD_VARLINK_LISTEN=-")
			var errs bytes.Buffer
			c.Stderr = &errs
			in, out := wire(c)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(in, "%s\x00", `{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
			if half, ok := in.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			} else {
				in.Close()
			}
			if file, ok := c.Stdout.(*os.File); ok {
				file.Close()
			}
			reply, err := io.ReadAll(out)
			if err != nil || !strings.Contains(string(reply), `"name":"vol1"`) {
				t.Errorf("the reply is %q, %v", reply, err)
			}
			checkCode(t, exitOf(t, c), exitOK)
			check(t, "stderr", errs.String(), "")
		})
	}
}

func TestLog_journalPriorities(t *testing.T) {
	dir := host(t, "")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(writer.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"),
		"--listen", "unix:"+filepath.Join(dir, "s"), "--exit-idle-time", "1ms")
	c.Stderr = writer
	c.Env = append(c.Env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	text, _ := io.ReadAll(reader)
	checkCode(t, exitOf(t, c), exitOK)
	for _, want := range []string{"<6>starting (version ", "<6>listening (address unix:" + dir + "/s", "<6>ready (serving log file", "<6>stopping: ", "<6>stopped (cause "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the journal has no %q:\n%s", want, text)
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		if !regexp.MustCompile(`^<[0-7]>[a-z]`).MatchString(line) {
			t.Errorf("a line has no priority: %q", line)
		}
	}
}

// Metrics of a service are on a socket of their own.
func TestServe_metricsSocket(t *testing.T) {
	dir := host(t, "")
	address := "unix:" + filepath.Join(dir, "s")
	shown := filepath.Join(dir, "m")
	writeFile(t, filepath.Join(dir, "log"), "this is no event\n")
	c := begin(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"), "--listen", address,
		"--listen", address+"-ro,readonly", "--metrics", "unix:"+shown+",mode=0660")
	c.errs.expect(t, "serving metrics")
	if entry, err := os.Stat(shown); err != nil || entry.Mode().Perm() != 0o660 {
		t.Errorf("the socket has the mode %v, %v", entry.Mode(), err)
	}
	for range 3 {
		_, _, code := runIn(t.Context(), "write", "--type", "volume", "--status", "create", "--name", "v", "--address", address)
		checkCode(t, code, exitOK)
	}
	_, _, code := runIn(t.Context(), "write", "--type", "volume", "--status", "create", "--name", "v", "--address", address+"-ro")
	checkCode(t, code, exitDenied)
	begin(t, "events", "--address", address, "--since", "2020-01-01").out.expect(t, "v")
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", shown)
	}}}
	defer client.CloseIdleConnections()
	reply, err := client.Get("http://eventsvc/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`eventsvc_events_total{status="create",type="volume"} 3`,
		"eventsvc_events_written_total 3",
		"eventsvc_write_duration_seconds_count 3",
		`eventsvc_subscribers{interface="varlink"} 1`,
		`eventsvc_denials_total{action="write events"} 1`,
		"eventsvc_lines_skipped_total 1",
		"eventsvc_connections 1",
		"eventsvc_store_fault 0",
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(string(text), "\n"+want) {
			t.Errorf("the metrics have no %q:\n%s", want, text)
		}
	}
	checkCode(t, c.end(t), exitOK)
	if _, err := os.Stat(shown); err == nil {
		t.Error("the socket of the metrics is still there")
	}
	for _, wrong := range []string{"tcp:9090", "localhost:9401", ":9401", "127.0.0.1"} {
		_, stderr, code := runIn(t.Context(), "serve", "--config", "/dev/null", "--listen", address, "--metrics", wrong)
		checkCode(t, code, exitError)
		if !strings.HasPrefix(stderr, "eventsvc: cannot serve metrics: ") || !strings.Contains(stderr, "or an IP address and a port such as 127.0.0.1:9401") {
			t.Errorf("%s: stderr is %q", wrong, stderr)
		}
	}
}
