package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// viewed returns the names of the events that root gets by each way to read history.
func (d *daemon) viewed(address string, all bool) map[string][]string {
	t := d.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(ctx, name, args...)
		out, err := cmd.Output()
		if err != nil && len(out) > 0 {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	cli := func(command string, args ...string) []string {
		args = append([]string{command, "--address", "unix:" + d.socket, "--filter", "type=volume"}, args...)
		if all {
			args = append(args[:1], append([]string{"--all-users"}, args[1:]...)...)
		}
		return strings.Fields(run(binary, args...))
	}
	const name = "{{.Name}}"
	got := map[string][]string{
		"events":    cli("events", "--stream=false", "--format", name),
		"exec":      cli("exec", "--stream=false", "--", "sh", "-c", "echo $EVENTSVC_NAME"),
		"wait":      cli("wait", "--since", "2000-01-01", "--timeout", "1s", "--format", name),
		"Subscribe": nil, "GetEvents": nil, "GetLastEvent": nil,
	}
	p := params{"fromStart": true, "until": "now"}
	only := params{}
	if all {
		p["allUsers"], only["allUsers"] = true, true
	}
	w := d.subscribe(p)
	for {
		r, err := w.recv()
		if err != nil || r.Error != "" {
			t.Fatal(r, err)
		}
		if r.Parameters.Event != nil {
			got["Subscribe"] = append(got["Subscribe"], r.Parameters.Event.Name)
		}
		if !r.Continues {
			break
		}
	}
	for _, e := range d.call("GetEvents", only).Parameters.Events {
		got["GetEvents"] = append(got["GetEvents"], e.Name)
	}
	if e := d.call("GetLastEvent", only).Parameters.Event; e != nil {
		got["GetLastEvent"] = []string{e.Name}
	}
	got["io.podman"] = d.legacyNames(all)
	view := "default"
	if all {
		view = "all"
	}
	byDBus := make(map[string][]string)
	out := run("/usr/bin/python3", "dbus_view.py", address, view)
	if err := json.Unmarshal([]byte(out), &byDBus); err != nil {
		t.Fatalf("dbus_view.py: %v in %s", err, out)
	}
	for call, names := range byDBus {
		got["D-Bus "+call] = names
	}
	return got
}

// legacyNames returns the names of the events that an old client gets.
func (d *daemon) legacyNames(all bool) (names []string) {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.close()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	filter := `[]`
	if all {
		filter = `["uid=*"]`
	}
	call := `{"method":"io.podman.GetEvents","parameters":{"filter":` + filter + `,"since":"2000-01-01","until":"0s"},"more":true}`
	if _, err := io.WriteString(w.conn, call+"\x00"); err != nil {
		d.t.Fatal(err)
	}
	for {
		frame, err := w.r.ReadString(0)
		if err != nil {
			d.t.Fatal(err)
		}
		var reply struct {
			Error      string
			Parameters struct{ Events struct{ Name, Time string } }
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(frame, "\x00")), &reply); err != nil || reply.Error != "" {
			d.t.Fatalf("%v: %s", err, frame)
		}
		if reply.Parameters.Events.Time == "" {
			return names
		}
		names = append(names, reply.Parameters.Events.Name)
	}
}

// wantViewed compares the events of each way with the expected ones. Calls that return
// one event return the newest, and wait the oldest.
func wantViewed(t *testing.T, got map[string][]string, want ...string) {
	t.Helper()
	for _, way := range slices.Sorted(maps.Keys(got)) {
		wanted := want
		if len(want) > 0 && strings.HasSuffix(way, "GetLastEvent") {
			wanted = want[len(want)-1:]
		} else if len(want) > 0 && way == "wait" {
			wanted = want[:1]
		}
		if !slices.Equal(got[way], wanted) {
			t.Errorf("%s gives %q, want %q", way, got[way], wanted)
		}
	}
	if len(got) != 11 {
		t.Errorf("%d ways were tried", len(got))
	}
}

// needGLib skips the test if there are no Python bindings of GLib.
func needGLib(t *testing.T) {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import gi").Run(); err == nil {
		return
	} else if testkit.PeersRequired() {
		t.Fatalf("python3-gi is missing: %v", err)
	}
	t.Skip("python3-gi is missing")
}

// TestViewOfAnotherUsersLog_onEveryInterface: root gets the events of a log that
// belongs to another user only if it asks for them.
func TestViewOfAnotherUsersLog_onEveryInterface(t *testing.T) {
	needRoot(t)
	needGLib(t)
	bus := testkit.StartBus(t, buspolicy.Session)
	d := newDaemon(t, "--dbus", bus.Address())
	appendTo(t, d.log, lineOf("one")+lineOf("two"))
	if err := os.Chown(d.log, madeUpUser, madeUpUser); err != nil {
		t.Fatal(err)
	}
	d.start()
	awaitName(t, bus)
	wantViewed(t, d.viewed(bus.Address(), false))
	wantViewed(t, d.viewed(bus.Address(), true), "one", "two")
	out, err := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--stream=false", "--filter", fmt.Sprintf("uid=%d", madeUpUser)).Output()
	if want := fmt.Sprintf(" volume create two user=%d\n", madeUpUser); err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("with a filter on uid: %q, %v; want the end %q", out, err, want)
	}
}

// awaitName returns when the service has its name on the bus.
func awaitName(t *testing.T, bus *testkit.Bus) {
	t.Helper()
	r := &dbusRig{t: t, bus: bus}
	for deadline := time.Now().Add(dbusPatience); ; time.Sleep(20 * time.Millisecond) {
		out, err := r.run("busctl", "--address="+bus.Address(), "get-property", busName, objectPath, busName, "Version")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service is not on the bus: %s", out)
		}
	}
}

// broadcastNames listens on a bus. The function that it returns waits for the event "end",
// and returns the names of the events that were broadcast.
func broadcastNames(t *testing.T, address string) (names func() []string) {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "dbus_view.py", address, "broadcast")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("dbus_view.py says %q", lines.Text())
	}
	return func() (names []string) {
		for lines.Scan() {
			names = append(names, lines.Text())
		}
		return names
	}
}
