package test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// oldDied are ends of containers and of processes in them as Podman 4.3.1 writes
// them, which leaves out an exit code of 0, and a start that has none.
const oldDied = `{"ID":"a1","Image":"alpine","Name":"bad","Status":"died","Time":"2026-11-23T12:00:00Z","Type":"container","ContainerExitCode":3,"Attributes":null}
{"ID":"a2","Image":"alpine","Name":"good","Status":"died","Time":"2026-11-23T12:00:01Z","Type":"container","Attributes":null}
{"ID":"a2","Image":"alpine","Name":"process","Status":"exec_died","Time":"2026-11-23T12:00:02Z","Type":"container","Attributes":null}
{"ID":"a3","Image":"alpine","Name":"started","Status":"start","Time":"2026-11-23T12:00:03Z","Type":"container","Attributes":null}
`

// TestExitCodeZero_thatIsLeftOut: on every interface a died or exec_died has an exit
// code, and nothing else has one.
func TestExitCodeZero_thatIsLeftOut(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	d := newDaemon(t, "--dbus", bus.Address())
	appendTo(t, d.log, oldDied)
	d.start()
	awaitName(t, bus)
	want := map[string]string{"bad": "3", "good": "0", "process": "0", "started": ""}
	for _, e := range d.call("GetEvents", nil).Parameters.Events {
		got := ""
		if e.ExitCode != nil {
			got = string(rune('0' + *e.ExitCode))
		}
		if got != want[e.Name] {
			t.Errorf("GetEvents: %s has the exit code %q", e.Name, got)
		}
	}
	cli := func(args ...string) string {
		out, err := exec.Command(binary, append([]string{args[0], "--address", "unix:" + d.socket, "--stream=false"}, args[1:]...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return string(out)
	}
	if got := cli("events", "--filter", "event=died", "--format", "{{.Name}} {{.ContainerExitCode}}"); got != "bad 3\ngood 0\n" {
		t.Errorf("a template prints %q", got)
	}
	if got := cli("exec", "--", "sh", "-c", `echo "$EVENTSVC_NAME ${EVENTSVC_EXIT_CODE-none}"`); got != "bad 3\ngood 0\nprocess 0\nstarted none\n" {
		t.Errorf("exec gives %q", got)
	}
	if got := cli("events", "--format", "json"); strings.Count(got, `"ContainerExitCode":0`) != 2 || strings.Count(got, "ContainerExitCode") != 3 {
		t.Errorf("json is %s", got)
	}
	r := &dbusRig{t: t, bus: bus}
	out := r.busctl("call", busName, objectPath, busName, "GetEvents", "asa{sv}", "0", "0")
	if strings.Count(out, `"exit_code" i 0`) != 2 || strings.Count(out, `"exit_code" i 3`) != 1 || strings.Count(out, "exit_code") != 3 {
		t.Errorf("D-Bus: %s", out)
	}
}
