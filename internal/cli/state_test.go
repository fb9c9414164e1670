package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// stateLog is what happened to three containers, of which one is gone.
const stateLog = `{"ID":"d1","Image":"pg","Name":"db","Status":"start","Time":"2026-11-23T12:00:01Z","Type":"container"}
{"ID":"d1","Image":"pg","Name":"db","Status":"died","Time":"2026-11-23T12:00:03Z","Type":"container","ContainerExitCode":1}
{"ID":"d1","Image":"pg","Name":"db","Status":"start","Time":"2026-11-23T12:00:04Z","Type":"container"}
{"ID":"d1","Image":"pg","Name":"db","Status":"health_status","health_status":"unhealthy","Time":"2026-11-23T12:00:05Z","Type":"container"}
{"ID":"0123456789abcdef","Image":"busybox","Name":"job","Status":"died","Time":"2026-11-23T12:00:07Z","Type":"container","ContainerExitCode":7}
{"ID":"g1","Image":"busybox","Name":"gone","Status":"start","Time":"2026-11-23T12:00:08Z","Type":"container"}
{"ID":"g1","Image":"busybox","Name":"gone","Status":"remove","Time":"2026-11-23T12:00:09Z","Type":"container"}
`

func TestState_printsWhatIsSo(t *testing.T) {
	r := newRig(t, stateLog)
	for _, test := range []struct {
		words []string
		want  string
	}{
		{nil, `TYPE       ID            NAME  STATUS    SINCE                HEALTH     RESTARTS  IMAGE
container  d1            db    start     2026-11-23 12:00:04  unhealthy  1         pg
container  0123456789ab  job   died (7)  2026-11-23 12:00:07  -          0         busybox
2 objects; events since 2026-11-23 12:00:01 +0000
`},
		{[]string{"--filter", "health=unhealthy", "--format", "{{.Name}}"}, "db\n"},
		{[]string{"--filter", "name=none"}, "0 objects; events since 2026-11-23 12:00:01 +0000\n"},
		{
			[]string{"-f", "name=j*", "--format", `{{.Name}} {{upper .Status}} {{.ExitCode}} {{.Since.Format "15:04:05"}} {{.ID}}`},
			"job DIED 7 12:00:07 0123456789abcdef\n",
		},
		{[]string{"--since", "2026-11-23 12:00:05", "-f", "container=db", "--format", "{{.Restarts}}"}, "0\n"},
	} {
		stdout, stderr, code := runIn(t.Context(), append([]string{"state", "--address", r.address}, test.words...)...)
		checkCode(t, code, exitOK)
		check(t, "stderr", stderr, "")
		check(t, strings.Join(test.words, " "), stdout, test.want)
	}
}

func TestState_refusesWhatItCannotPrint(t *testing.T) {
	r := newRig(t, stateLog)
	for words, want := range map[string]string{
		"--filter health=changed": "it is about new events, not the present state",
		"--format short":          `cannot use --format "short"`,
		"--format {{.Exitcode}}":  "the fields are .ExitCode",
		"name=web":                "give --filter name=web",
	} {
		stdout, stderr, code := runIn(t.Context(), append([]string{"state", "--address", r.address}, strings.Fields(words)...)...)
		checkCode(t, code, exitError)
		if stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %q and %q", words, stdout, stderr)
		}
	}
}

// TestState_thenEventsWithoutAGap: what happens between the two commands is printed by
// the second, and nothing that the first has counted.
func TestState_thenEventsWithoutAGap(t *testing.T) {
	r := newRig(t, stateLog)
	file := filepath.Join(r.dir, "cursor")
	stdout, stderr, code := runIn(t.Context(), "state", "--address", r.address, "--cursor-file", file, "--format", "json")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	var state struct {
		Objects []struct{ Name string }
		Cursor  string
	}
	if err := json.Unmarshal([]byte(stdout), &state); err != nil || len(state.Objects) != 2 {
		t.Errorf("%v in %s", err, stdout)
	}
	check(t, "the cursor file", readFile(t, file), state.Cursor+"\n")
	_, _, code = runIn(t.Context(), "write", "--address", r.address, "--type", "container", "--status", "remove", "--name", "job")
	checkCode(t, code, exitOK)
	stdout, _, code = runIn(t.Context(), "events", "--address", r.address, "--cursor-file", file, "--stream=false", "--format", "{{.Name}} {{.Status}}")
	checkCode(t, code, exitOK)
	check(t, "what follows", stdout, "job remove\n")
}
