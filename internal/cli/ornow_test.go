package cli

import (
	"testing"
)

// TestWaitOrNow_whatIsSo: it ends at once for what is so, and waits without a gap for
// what is not.
func TestWaitOrNow_whatIsSo(t *testing.T) {
	log := `{"ID":"d1","Name":"db","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"container"}
{"ID":"d1","Name":"db","Status":"start","Time":"2026-11-23T12:00:01Z","Type":"container"}
{"ID":"d1","Name":"db","Status":"health_status","health_status":"healthy","Time":"2026-11-23T12:00:02Z","Type":"container"}
{"ID":"j1","Name":"job","Status":"start","Time":"2026-11-23T12:00:03Z","Type":"container"}
{"ID":"j1","Name":"job","Status":"died","Time":"2026-11-23T12:00:04Z","Type":"container","ContainerExitCode":7}
{"ID":"j1","Name":"job","Status":"remove","Time":"2026-11-23T12:00:05Z","Type":"container"}
{"ID":"o1","Name":"old","Status":"start","Time":"2026-11-23T12:00:06Z","Type":"container"}
{"ID":"o1","Name":"new","Status":"rename","Time":"2026-11-23T12:00:07Z","Type":"container"}
`
	r := newRig(t, log)
	const format = "{{.Name}} {{.Status}}"
	for _, test := range []struct {
		arguments []string
		code      int
		stdout    string
	}{
		{[]string{"-f", "container=db", "-f", "health=healthy"}, 0, "db health_status\n"},
		{[]string{"-f", "container=db", "-f", "event=start"}, 0, "db start\n"},
		{[]string{"-f", "container=job", "-f", "event=died", "-f", "exit-code!=0"}, 0, "job died\n"},
		{[]string{"-f", "name=*", "-f", "event=remove"}, 0, "job remove\n"},
		{[]string{"-f", "container=db", "-f", "event=died", "--timeout", "100ms"}, exitTimedOut, ""},
		{[]string{"-f", "container=job", "-f", "event=start", "--timeout", "100ms"}, exitTimedOut, ""},
		{[]string{"-f", "container=new", "-f", "event=start"}, 0, "old start\n"},
		{[]string{"-f", "container=old", "-f", "event=start", "--timeout", "100ms"}, exitTimedOut, ""},
		{[]string{"-f", "container=job"}, exitError, ""},
		{[]string{"-f", "event=start", "--since", "1h"}, exitError, ""},
		{[]string{"-f", "event=start", "--", "true"}, exitError, ""},
	} {
		arguments := append([]string{"wait", "--address", r.address, "--or-now", "--format", format}, test.arguments...)
		stdout, stderr, code := runIn(t.Context(), arguments...)
		if code != test.code || stdout != test.stdout {
			t.Errorf("%q: %d, %q, %q", test.arguments, code, stdout, stderr)
		}
	}
	c := r.begin("wait", "--or-now", "-f", "name=late", "-f", "event=create", "--format", format)
	r.waitForSubscriber()
	r.write("late")
	c.out.expect(t, "late create\n")
	checkCode(t, c.wait(t), exitOK)
}
