package test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// picturesVariable is a directory where TestCockpitPage puts pictures of the page.
const picturesVariable = "EVENTSVC_PICTURES"

// The Cockpit page in a real browser: Debian's cockpit-ws and Chromium, the real
// daemon, events of a real Podman. browser/page.js has the checks.
func TestCockpitPage(t *testing.T) {
	needRoot(t)
	testkit.Need(t, "podman", "node", "setpriv")
	modules := browserModules(t)
	p := newPodman(t)
	p.run("--image")
	dir := testkit.ShortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	story(t, p.log)
	socket, pid := filepath.Join(dir, "s"), filepath.Join(dir, "pid")
	keepRunning(t, pid, "serve", "--config", "/dev/null", "--backend", "file", "--log-file", p.log, "--log-max-size", "0",
		"--listen", "unix:"+socket, "--listen", "unix:"+socket+".readonly,mode=0600,readonly", "--dbus", "none")
	installPage(t, filepath.Join(dir, "cockpit", "eventsvc"), socket)
	p.run("create", "--name", "quiet", "localhost/busybox:test", "sleep", "1000")
	for range 3 { // what a crash is to Podman
		_ = p.command("run", "--rm", "--name", "web", "--network", "none", "localhost/busybox:test", "sh", "-c", "exit 3").Run()
	}
	p.run("--settle")

	many := 100_000
	if byHand() {
		many = 1_000_000
	}
	drive := exec.Command("node", "page.js")
	drive.Dir = "browser"
	peers, err := filepath.Abs("peers")
	if err != nil {
		t.Fatal(err)
	}
	drive.Env = append(os.Environ(),
		"NODE_PATH="+filepath.Join(modules, "node_modules"), "PROFILE="+filepath.Join(dir, "profile"), "HOME="+dir,
		"PAGE="+startCockpit(t, dir, nil), "STRANGER="+startCockpit(t, dir, []string{"setpriv", "--reuid=1", "--regid=1", "--clear-groups"}),
		"PODMAN="+filepath.Join(peers, "podman.sh"), "PODMAN_DIR="+p.dir, "IMAGE=localhost/busybox:test", "DAEMON_PID="+pid, "LOG="+p.log, "READONLY="+socket+".readonly",
		"SIXTY=source "+peers+"/podman-env.sh "+p.dir+"; for i in $(seq 60); do podman_ volume create sixty-$i; done",
		"BIG=cat "+manyEvents(t, many)+" >>"+p.log, "MANY="+fmt.Sprint(many), "PICTURES="+os.Getenv(picturesVariable),
	)
	var stderr bytes.Buffer
	drive.Stderr = &stderr
	out, err := drive.Output()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") {
			t.Log(strings.TrimSpace(line))
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil && !t.Failed() || len(out) == 0 {
		t.Errorf("the driver of the browser: %v\n%s", err, &stderr)
	}
}

// browserModules returns what test/peers/browser.sh has installed.
func browserModules(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("EVENTSVC_BROWSER")
	if dir == "" {
		dir = "/var/cache/eventsvc-browser"
	}
	for _, path := range []string{filepath.Join(dir, "installed"), "/usr/lib/cockpit/cockpit-ws", "/usr/bin/cockpit-bridge", "/usr/bin/chromium", "/usr/share/cockpit/podman", "/usr/share/cockpit/shell"} {
		if _, err := os.Stat(path); err != nil {
			testkit.Missing(t, path, "test/peers/browser.sh")
		}
	}
	return dir
}

// installPage installs the page where Cockpit's bridge finds it, as its packages do, but
// with the socket of the test instead of the system's.
func installPage(t *testing.T, dir, socket string) {
	t.Helper()
	stage, dest := t.TempDir(), t.TempDir()
	output(t, "../dist/package/page.sh", filepath.Join(stage, "cockpit"))
	output(t, "../dist/package/install.sh", stage, "dist/package/nfpm-cockpit.yaml", "rpm", "noarch", dest)
	installed := filepath.Join(dest, "usr/share/cockpit/eventsvc")
	t.Logf("the page: %d bytes of sources, %d installed", sizeOf(t, "../cockpit"), sizeOf(t, installed))
	if err := os.CopyFS(dir, os.DirFS(installed)); err != nil {
		t.Fatal(err)
	}
	portuguese := `cockpit.locale({"": {"plural-forms": n => n != 1, "language": "pt_BR", "language-direction": "ltr"},
		"Timeline": [null, "Linha do tempo"], "restart": ["restarts", "reinício", "reinícios"]});`
	compress(t, filepath.Join(dir, "po.pt_BR.js.gz"), []byte(portuguese))
	text, err := os.ReadFile("../cockpit/source.js")
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(text, []byte("/run/eventsvc/io.podman.events"), []byte(socket))
	if bytes.Equal(changed, text) {
		t.Fatal("source.js does not name the socket of the system")
	}
	compress(t, filepath.Join(dir, "source.js.gz"), changed)
}

// compress writes a file of the page.
func compress(t *testing.T, path string, text []byte) {
	t.Helper()
	var packed bytes.Buffer
	out := gzip.NewWriter(&packed)
	_, err := out.Write(text)
	if err := errors.Join(err, out.Close(), os.WriteFile(path, packed.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// sizeOf returns how many bytes the files of a directory have.
func sizeOf(t *testing.T, dir string) (sum int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

// keepRunning starts a daemon, and again whenever it exits, until the file PID.over
// exists. It writes the process ID to a file.
func keepRunning(t *testing.T, pid string, args ...string) {
	t.Helper()
	var mu sync.Mutex
	var cmd *exec.Cmd
	over := false
	start := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if _, err := os.Stat(pid + ".over"); over || err == nil {
			return false
		}
		cmd = exec.Command(binary, args...)
		if err := testkit.Start(cmd); err != nil {
			t.Error(err)
			return false
		}
		_ = os.WriteFile(pid, fmt.Append(nil, cmd.Process.Pid), 0o600)
		return true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for start() {
			_ = cmd.Wait()
		}
	}()
	t.Cleanup(func() {
		mu.Lock()
		over = true
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
		mu.Unlock()
		<-done
	})
}

// startCockpit starts Cockpit's web server with a session of root, or of the user
// that the command makes, Debian's daemon, and returns the address of the page.
func startCockpit(t *testing.T, dir string, as []string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	home, err := os.MkdirTemp(dir, "home") //nolint:usetesting // below the directory that the other user may enter
	if err != nil {
		t.Fatal(err)
	}
	if len(as) > 0 {
		if err := os.Chown(home, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	args := append(as, "/usr/lib/cockpit/cockpit-ws", "--address", "127.0.0.1", "-p", port, "--local-session=/usr/bin/cockpit-bridge")
	cmd := exec.Command(args[0], args[1:]...)
	mark := "EVENTSVC_TEST_COCKPIT=" + home
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "HOME="+home, "XDG_RUNTIME_DIR="+home, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere", mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := testkit.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The session starts an agent and a bus, which do not end with it.
		for _, process := range withEnvironment(mark) {
			_ = syscall.Kill(process, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	url := "http://127.0.0.1:" + port + "/cockpit/@localhost/eventsvc/index.html"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := http.Get(url)
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return url
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Cockpit does not serve the page: %v", err)
		}
	}
}

// withEnvironment returns the processes that have a variable in their environment.
func withEnvironment(variable string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(append([]byte{0}, text...), []byte("\x00"+variable+"\x00")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/environ", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// story writes an hour of a host's events to the log, in Podman's form, before Podman
// writes to it.
func story(t *testing.T, log string) {
	t.Helper()
	var list []events.Event
	add := func(minutes float64, name string, status events.Status, change func(*events.Event)) {
		e := events.Event{
			Type: events.Container, Status: status, Name: name, ID: fmt.Sprintf("%064x", len(name)), Image: "registry.example/" + name + ":1",
			Time: time.Now().Add(-time.Duration(minutes * float64(time.Minute))),
		}
		if change != nil {
			change(&e)
		}
		list = append(list, e)
	}
	code := func(n int) func(*events.Event) { return func(e *events.Event) { e.ContainerExitCode = &n } }
	health := func(status string) func(*events.Event) { return func(e *events.Event) { e.HealthStatus = status } }
	for i := range 11 {
		at := 52 - 4.4*float64(i)
		add(at, "api", events.Start, nil)
		add(at-3.6+float64(i)/5, "api", events.Exited, code(137))
	}
	for name, at := range map[string]float64{"database": 57, "cache": 55, "mail": 41, "proxy": 58} {
		add(at, name, events.Start, nil)
	}
	add(31, "cache", events.Pause, nil)
	add(22, "cache", events.Unpause, nil)
	add(14, "proxy", events.HealthStatus, health("unhealthy"))
	add(27, "mail", events.AutoUpdate, func(e *events.Event) { e.Attributes = map[string]string{"io.podman.autoupdate.result": "updated"} })
	for i := range 5 {
		add(50-11*float64(i), "backup", events.Start, nil)
		add(46-11*float64(i), "backup", events.Exited, code(0))
	}
	add(35, "registry.example/missing:latest", events.PullError, func(e *events.Event) { e.Type, e.Error = events.Image, "no such manifest" })
	slices.SortStableFunc(list, func(a, b events.Event) int { return a.Time.Compare(b.Time) })
	var out []byte
	for _, e := range list {
		line, err := e.AppendJSON(out)
		if err != nil {
			t.Fatal(err)
		}
		out = append(line, '\n')
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, out, 0o700); err != nil {
		t.Fatal(err)
	}
}

// oddNames must neither be interpreted by the page nor break it. browser/page.js has the same names.
var oddNames = []string{strings.Repeat("n", 4096), "שלום \u202eevil", "<b>bold</b><script>attacked=1</script>", "bell\a and \x1b[31mred"}

// manyEvents returns a file with lines of Podman's log, of the last 50 minutes: a
// few of each odd kind.
func manyEvents(t *testing.T, count int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "many.log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	began := time.Now().Add(-50 * time.Minute)
	for i := range count {
		e := events.Event{
			Type: events.Container, Status: events.Start, Name: fmt.Sprintf("many-%d", i/2%700), ID: fmt.Sprintf("%064x", i/2%700),
			Image: "quay.io/example/many:latest", Time: began.Add(50 * time.Minute * time.Duration(i) / time.Duration(count)),
		}
		if i%2 == 1 {
			code := i / 2 % 50 / 49
			e.Status, e.ContainerExitCode = events.Exited, &code
		}
		if n := (count - i) / 2; i%2 == 0 && n <= len(oddNames) {
			e.Name, e.Attributes = oddNames[n-1], map[string]string{"odd": "1"}
		}
		line, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = out.Write(append(line, '\n'))
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return path
}
