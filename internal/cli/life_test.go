package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
)

// managerOf is a service manager of which there is only the ear.
type managerOf struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func listenAsManager(t *testing.T, dir string) *managerOf {
	t.Helper()
	m := &managerOf{t: t, path: filepath.Join(dir, "n")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	m.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return m
}

// told returns what it is told next, whose descriptors it closes.
func (m *managerOf) told() string {
	m.t.Helper()
	buffer, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(buffer, oob)
	if err != nil {
		m.t.Fatalf("nothing is told: %v", err)
	}
	if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for i := range messages {
			files, _ := unix.ParseUnixRights(&messages[i])
			for _, fd := range files {
				unix.Close(fd)
			}
		}
	}
	return string(buffer[:n])
}

// await returns the next that begins so, and fails if one of the others comes.
func (m *managerOf) await(begin string, unwanted ...string) string {
	m.t.Helper()
	for {
		got := m.told()
		if strings.HasPrefix(got, begin) {
			return got
		}
		for _, word := range unwanted {
			if strings.HasPrefix(got, word) {
				m.t.Fatalf("systemd is told %q before %q", got, begin)
			}
		}
	}
}

// stalling is a store whose lock somebody holds for as long as they like.
type stalling struct {
	store.Store
	held chan struct{} // receives one to let a look through
}

func (s *stalling) Look() error { <-s.held; return s.Store.Look() }

// Probe hides that of the log file after the lock.
func (s *stalling) Probe(ctx context.Context) error {
	<-s.held
	return s.Store.Probe(ctx)
}

func TestWatchdogIsFedOnlyWhileTheFeedMoves(t *testing.T) {
	dir := host(t, "")
	m := listenAsManager(t, dir)
	t.Setenv("NOTIFY_SOCKET", m.path)
	st, err := logfile.Open(logfile.Options{Path: filepath.Join(dir, "log"), Own: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &stalling{st, make(chan struct{})}
	errs := new(output)
	log := slog.New(slog.NewTextHandler(errs, nil))
	d := newDaemonOn(s, &choice{backend: events.LogFile}, faces{}, log)
	if err := d.feed.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.feedWatchdog(ctx, 50*time.Millisecond)
	}()
	// One probe is let through for each time that it is told.
	for range 3 {
		s.held <- struct{}{}
		check(t, "what systemd is told", m.told(), "WATCHDOG=1")
	}
	// Now the lock is held: several intervals pass, and nothing is told.
	errs.expect(t, "event feed is not responding")
	m.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, _ := m.conn.Read(make([]byte, 4096)); n > 0 {
		t.Error("the watchdog is fed although nothing moves")
	}
	m.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	s.held <- struct{}{}
	check(t, "what systemd is told", m.told(), "WATCHDOG=1")
	errs.expect(t, "event feed recovered")
	close(s.held)
	cancel()
	<-ended
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

func TestWatchdogOfARunningService(t *testing.T) {
	dir := host(t, "")
	m := listenAsManager(t, dir)
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"),
		"--listen", "unix:"+filepath.Join(dir, "s"))
	// sh knows the process ID that the watchdog is for.
	c.Args = append([]string{"sh", "-c", `WATCHDOG_PID=$$ exec "$0" "$@"`, c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=100000")
	startServe(t, c)
	for range 5 {
		m.await("WATCHDOG=1")
	}
	c.Process.Signal(syscall.SIGTERM)
	m.await("STOPPING=1")
	checkCode(t, exitOf(t, c), exitOK)
}

func TestIdleServiceTellsSystemdBeforeItGivesAnythingUp(t *testing.T) {
	dir := host(t, "")
	m := listenAsManager(t, dir)
	c := process(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"),
		"--listen", "unix:"+filepath.Join(dir, "s"), "--exit-idle-time", "100ms")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.path)
	errs := startServe(t, c)
	m.await("STOPPING=1")
	m.await("BARRIER=1", "STOPPING=1")
	checkCode(t, exitOf(t, c), exitOK)
	errs.expect(t, "the service has been idle")
}

func TestSocketsAreServedByTheirNames(t *testing.T) {
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
	errs.expect(t, "name=front-door")
	for _, known := range names[:3] {
		if strings.Contains(errs.String(), "unknown FileDescriptorName=") && strings.Contains(errs.String(), "name="+known) {
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

func TestServesStdinAndStdoutWhenToldSo(t *testing.T) {
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
			near, far, err := connectedPair()
			if err != nil {
				t.Fatal(err)
			}
			file, _ := far.File()
			far.Close()
			c.Stdin, c.Stdout = file, file
			t.Cleanup(func() { file.Close() })
			return near, near
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := process(t) // no words at all: that is all that ssh-exec: can give
			c.Env = append(c.Env, listenVariable+"=-")
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

func TestJournalGetsPriorities(t *testing.T) {
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
	for _, want := range []string{"<6>starting version=", "<6>listening address=unix:" + dir + "/s", "<6>ready serving=\"log file", "<6>stopping: ", "<6>stopped cause="} {
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

func TestMetricsOfAServiceAreOnASocketOfTheirOwn(t *testing.T) {
	dir := host(t, "")
	address := "unix:" + filepath.Join(dir, "s")
	shown := filepath.Join(dir, "m")
	writeFile(t, filepath.Join(dir, "log"), "this is no event\n")
	c := begin(t, "serve", "--config", "/dev/null", "--dbus", "none", "--log-file", filepath.Join(dir, "log"), "--listen", address,
		"--listen", address+"-ro,readonly", "--metrics", "unix:"+shown+",mode=0660")
	c.errs.expect(t, "showing metrics")
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
		`eventsvc_subscribers{face="varlink"} 1`,
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
	_, stderr, code := runIn(t.Context(), "serve", "--config", "/dev/null", "--listen", address, "--metrics", "tcp:9090")
	checkCode(t, code, exitError)
	if !strings.HasPrefix(stderr, "eventsvc: cannot show metrics: ") {
		t.Errorf("stderr is %q", stderr)
	}
}
