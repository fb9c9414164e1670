package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

const (
	busName    = "io.podman.Events1"
	objectPath = "/io/podman/Events1"
)

// contains fails the test for every text that is missing.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

// squeeze replaces every run of blanks by one.
func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

// busctl finds the object and calls it.
func TestDBus_busctl(t *testing.T) {
	r := serveDBus(t, nil)
	r.write(dbusEvent(1), dbusEvent(2))
	contains(t, r.busctl("tree", busName), "/io/podman/Events1", "/io/podman/Events1/subscription")
	table := r.busctl("introspect", busName, objectPath)
	for line := range strings.Lines(table) {
		if width := utf8.RuneCountInString(strings.TrimRight(line, " \n")); width > 80 {
			t.Errorf("%d columns are too wide for a terminal: %s", width, line)
		}
	}
	shown := squeeze(table)
	contains(t, shown,
		".GetEvents method asa{sv} a(ssssta{sv})sb -", ".GetLastEvent method as (ssssta{sv}) -", ".GetState method asa{sv} a(ssssta{sv})st -", ".WriteEvent method a{sv} s -",
		".Subscribe method sasa{sv} os -", ".Unsubscribe method o - -", ".OpenStream method asa{sv} h -",
		".Event signal ssssta{sv} - -", `.Version property s "1.2.3" const`, `.Backend property s "file" const`,
		".LogPath property s - const", ".Subscribers property u 0 -", ".SkippedLines property t 0 -",
		".EventTypes property as - const", ".EventStatuses property as - const", ".GetMachineId method - s -", ".Introspect method - s -")
	page := r.busctl("call", busName, objectPath, busName, "GetEvents", "asa{sv}", "1", "name=c2", "1", "limit", "u", "10")
	contains(t, page, `a(ssssta{sv})sb 1 "container" "create"`, `"c2" 1795435202123456`, `"image" s "quay.io/podman/hello:latest"`, " true\n")
	cursor := r.busctl("call", busName, objectPath, busName, "WriteEvent", "a{sv}", "4",
		"type", "s", "volume", "status", "s", "create", "name", "s", "data", "attributes", "a{ss}", "1", "a", "b")
	last := r.busctl("--json=short", "call", busName, objectPath, busName, "GetLastEvent", "as", "1", "label=a=b")
	contains(t, last, `"volume","create","","data"`, strings.Trim(strings.TrimPrefix(cursor, "s "), "\n"))
	contains(t, r.busctl("get-property", busName, objectPath, busName, "Backend"), `s "file"`)
	contains(t, r.busctl("get-property", busName, objectPath, busName, "LogPath"), `s "`+r.log+`"`)
	out, err := r.run("busctl", "--address="+r.bus.Address(), "set-property", busName, objectPath, busName, "Version", "s", "2")
	if err == nil {
		t.Errorf("Version was set: %s", out)
	}
}

// gdbus introspects, calls and shows errors.
func TestDBus_gdbus(t *testing.T) {
	r := serveDBus(t, nil)
	r.write(dbusEvent(1))
	shown := r.mustRun("gdbus", "introspect", "--session", "--dest", busName, "--object-path", "/", "--recurse")
	contains(t, shown, "node /io/podman/Events1/subscription", "readonly s Version = '1.2.3'", "out b complete",
		`@org.freedesktop.DBus.Property.EmitsChangedSignal("const")`, "Which events; empty: all")
	call := func(method string, args ...string) (string, error) {
		return r.run("gdbus", append([]string{
			"call", "--session", "--dest", busName, "--object-path", objectPath, "--method", busName + "." + method,
		}, args...)...)
	}
	out, err := call("GetEvents", "['type=container']", "{'since': <'2020-01-01'>}")
	if err != nil {
		t.Fatal(out)
	}
	contains(t, out, "'c1', uint64 1795435201123456", "'naïve': 'läbel'", "true)")
	out, err = call("GetEvents", "['typ=container']", "{}")
	if err == nil {
		t.Error("an invalid filter is accepted")
	}
	contains(t, out, "io.podman.Events1.Error.InvalidFilter", `did you mean "type"?`)
}

// background starts a client in the background, and returns its output.
func (r *dbusRig) background(name string, args ...string) *bufio.Scanner {
	r.t.Helper()
	testkit.Need(r.t, name)
	ctx, cancel := context.WithTimeout(context.Background(), dbusPatience)
	r.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS="+r.bus.Address(), "LC_ALL=C.UTF-8")
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := testkit.Start(cmd); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return bufio.NewScanner(out)
}

// await reads lines until one has the text, and returns it.
func await(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
	}
	t.Fatalf("no line has %q", text)
	return ""
}

// gdbus monitor and match rules receive broadcasts.
func TestDBus_broadcasts(t *testing.T) {
	r := serveDBus(t, nil)
	monitor := r.background("gdbus", "monitor", "--session", "--dest", busName, "--object-path", objectPath)
	await(t, monitor, "is owned by")
	testkit.Need(t, "dbus-monitor")
	matched := r.background("stdbuf", "-oL", "dbus-monitor", "--session", "--profile",
		"type='signal',interface='"+busName+"',arg0='container',arg3='c2'")
	await(t, matched, "NameLost")
	r.write(dbusEvent(1), dbusEvent(2))
	for _, name := range []string{"c1", "c2"} {
		contains(t, await(t, monitor, "Event"), "/io/podman/Events1: io.podman.Events1.Event ('container', 'create'", "'"+name+"'")
	}
	if line := await(t, matched, busName); !strings.Contains(line, "Event") {
		t.Errorf("the match rule hears %q", line)
	}
}

// python returns the command of a Python program of this directory.
func (r *dbusRig) python(program string, args ...string) (string, []string) {
	r.t.Helper()
	const interpreter = "/usr/bin/python3"
	if err := exec.Command(interpreter, "-c", "import gi; gi.require_version('Gio', '2.0')").Run(); err != nil {
		testkit.Need(r.t, "python3-gi")
	}
	return interpreter, append([]string{program, r.bus.Address()}, args...)
}

// Two subscriptions of a GLib program get their own events, once.
func TestDBus_glibTwoSubscriptions(t *testing.T) {
	r := serveDBus(t, nil)
	// Enough for the service to ping the program.
	const count = 3000
	name, args := r.python("dbus_subscriber.py", fmt.Sprint(count))
	lines := r.background(name, args...)
	contains(t, await(t, lines, "ready"), "ready 1.2.3")
	var batch []events.Event
	for n := range count {
		volume := dbusEvent(n)
		volume.Type, volume.Image = events.Volume, ""
		batch = append(batch, dbusEvent(n), volume)
	}
	for part := range slices.Chunk(batch, 100) {
		r.write(part...)
	}
	seen := map[string]int{"volumes": 0, "containers": 0}
	for lines.Scan() && lines.Text() != "done" {
		var token, kind, status, object string
		var usec, sequence uint64
		if _, err := fmt.Sscan(lines.Text(), &token, &kind, &status, &object, &usec, &sequence); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if token != kind+"s" || object != fmt.Sprint("c", seen[token]) || sequence != uint64(seen[token]+1) {
			t.Fatalf("event %d of %s is %s", seen[token], token, lines.Text())
		}
		seen[token]++
	}
	if seen["volumes"] != count || seen["containers"] != count || lines.Text() != "done" {
		t.Errorf("got %v, then %q", seen, lines.Text())
	}
}

// A GLib program reads a stream.
func TestDBus_glibStream(t *testing.T) {
	r := serveDBus(t, nil)
	r.write(dbusEvent(1), dbusEvent(2))
	name, args := r.python("dbus_stream.py")
	lines := strings.Split(strings.TrimSpace(r.mustRun(name, args...)), "\n")
	var kinds []string
	for _, line := range lines {
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, kind := range []string{"ready", "event", "live", "end"} {
			if _, ok := members[kind]; ok {
				kinds = append(kinds, kind)
			}
		}
	}
	if len(kinds) == 5 && kinds[3] == "live" {
		kinds = slices.Delete(kinds, 3, 4)
	}
	if !slices.Equal(kinds, []string{"ready", "event", "event", "end"}) {
		t.Errorf("the lines are %v", kinds)
	}
}

// A line of a stream is what Varlink sends.
func TestDBus_streamLineAsVarlink(t *testing.T) {
	d := newDaemon(t)
	log, err := os.ReadFile("../internal/cli/sample-events.log")
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, d.log, string(log))
	appendTo(t, d.log, `{"Name":"\u003ca\"b","Status":"new","Time":"2500-01-01T00:00:00Z","Type":"newer","health_failing_streak":2}`+"\n")
	d.start()
	r := serveDBusOf(t, nil, d.log)
	name, args := r.python("dbus_stream.py")
	var lines []string
	for line := range strings.Lines(r.mustRun(name, args...)) {
		if strings.HasPrefix(line, `{"event":`) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) < 2 {
		t.Fatalf("the stream has %d events", len(lines))
	}
	w := d.subscribe(params{"fromStart": true})
	defer w.close()
	for i := 0; i < len(lines); {
		frame, err := w.r.ReadString(0)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSuffix(strings.TrimPrefix(frame, `{"parameters":`), ",\"continues\":true}\x00")
		if !strings.HasPrefix(got, `{"event":`) {
			continue
		}
		if got != lines[i] {
			t.Errorf("varlink sends %s\nthe stream %s", got, lines[i])
		}
		i++
	}
}

// On the system bus each user sees only its own events.
func TestDBus_systemBusUsers(t *testing.T) {
	needRoot(t)
	r := serveDBus(t, testkit.StartBus(t, buspolicy.System(t)))
	r.write(dbusEvent(1))
	as := func(uid uint32, args ...string) (string, error) {
		cmd := exec.Command("busctl", append([]string{"--address=" + r.bus.Address(), "--no-pager"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	testkit.Need(t, "busctl")
	// dbus-daemon accepts only users that exist: this is "daemon".
	const stranger = 1
	get := []string{"call", busName, objectPath, busName, "GetEvents", "asa{sv}", "0", "0"}
	if out, err := as(0, get...); err != nil || !strings.Contains(out, `"c1"`) {
		t.Errorf("root: %v %s", err, out)
	}
	if out, err := as(stranger, get...); err != nil || !strings.HasPrefix(out, "a(ssssta{sv})sb 0 ") {
		t.Errorf("a stranger: %v %s", err, out)
	}
	if out, _ := as(stranger, "get-property", busName, objectPath, busName, "LogPath"); out != "s \"\"\n" {
		t.Errorf("a stranger sees the path %s", out)
	}
	out, err := as(stranger, "call", busName, objectPath, busName, "WriteEvent", "a{sv}", "2", "type", "s", "pod", "status", "s", "create")
	if err == nil || !strings.Contains(out, "Access denied") {
		t.Errorf("a stranger writes: %v %s", err, out)
	}
}

// D-Bus and Varlink are served by one daemon and outlive the bus.
func TestDBus_busRestarts(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	d := startDaemon(t, "--dbus", bus.Address())
	r := &dbusRig{t: t, bus: bus}
	last := func() (string, error) {
		return r.run("busctl", "--address="+bus.Address(), "call", busName, objectPath, busName, "GetLastEvent", "as", "0")
	}
	// answer waits for the name to be owned.
	answer := func() (out string, err error) {
		for deadline := time.Now().Add(dbusPatience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if out, err = last(); err == nil {
				break
			}
		}
		return out, err
	}
	appendTo(t, d.log, `{"Name":"both","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"volume","Attributes":null}`+"\n")
	if out, err := answer(); err != nil || !strings.Contains(out, `"volume" "create" "" "both"`) {
		t.Fatalf("on D-Bus: %v %s\nthe daemon says %s", err, out, d.stderr)
	}
	files := d.descriptors()
	w := d.subscribe(params{})
	defer w.close()
	bus.Stop()
	appendTo(t, d.log, `{"Name":"alone","Status":"create","Time":"2026-11-23T12:00:01Z","Type":"volume","Attributes":null}`+"\n")
	if reply, err := w.recv(); err != nil || reply.Parameters.Event == nil || reply.Parameters.Event.Name != "alone" {
		t.Errorf("on Varlink, without a bus: %v %v", err, reply)
	}
	bus.Start(t)
	out, err := answer()
	if err != nil || !strings.Contains(out, `"alone"`) {
		t.Errorf("on D-Bus again: %v %s", err, out)
	}
	second := newDaemon(t, "--dbus", bus.Address())
	out, err = r.run(binary, "serve", "--config", "/dev/null", "--backend", "file", "--log-file", second.log, "--listen", "unix:"+second.socket, "--dbus", bus.Address())
	if err == nil || !strings.Contains(out, fmt.Sprintf("process %d of uid %d (%s)", d.cmd.Process.Pid, os.Getuid(), binary)) {
		t.Errorf("a second daemon says %v %s", err, out)
	}
	w.close()
	for deadline := time.Now().Add(dbusPatience); time.Now().Before(deadline) && d.descriptors() > files; {
		time.Sleep(20 * time.Millisecond)
	}
	if now := d.descriptors(); now > files {
		t.Errorf("%d descriptors were open, and now %d", files, now)
	}
	d.stop()
	if out, err := last(); err == nil {
		t.Errorf("a daemon that has ended answers %s", out)
	}
}

// D-Bus has the events of a real Podman.
func TestDBus_realPodman(t *testing.T) {
	p := newPodman(t)
	r := serveDBusOf(t, nil, p.log)
	monitor := r.background("gdbus", "monitor", "--session", "--dest", busName)
	await(t, monitor, "is owned by")
	p.run("volume", "create", "dbus-volume")
	contains(t, await(t, monitor, "dbus-volume"), "('volume', 'create', '', 'dbus-volume'")
	p.run("pod", "create", "--infra=false", "--name", "dbus-pod")
	contains(t, await(t, monitor, "dbus-pod"), "('pod', 'create'")
	last := r.busctl("call", busName, objectPath, busName, "GetLastEvent", "as", "1", "type=volume")
	contains(t, last, `"volume" "create" "" "dbus-volume"`)
}
