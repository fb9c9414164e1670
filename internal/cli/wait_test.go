package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// writer is a command line that writes an event through the service.
func (r *rig) writer(name string) []string {
	return []string{
		"/usr/bin/env", mainVariable + "=1", testBinary, "write", "--address", r.address, "--type", "volume", "--status", "create", "--name", name,
	}
}

// Wait sees what its command causes.
func TestWait_ownCommand(t *testing.T) {
	r := newRig(t, sample)
	for range 10 { // a race would be lost now and then
		arguments := append([]string{"wait", "--address", r.address, "--filter", "volume=made", "--format", "{{.Name}}", "--"}, r.writer("made")...)
		stdout, stderr, code := runIn(t.Context(), arguments...)
		checkCode(t, code, exitOK)
		check(t, "stdout", stdout, "made\n")
		if strings.Contains(stderr, "eventsvc:") || stderr == "" {
			t.Errorf("stderr is to have the cursor that the command prints, and has %q", stderr)
		}
	}
}

func TestWait_exitCodes(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct {
		name      string
		arguments []string
		code      int
		stdout    string
		stderr    string
	}{
		{"Nothing happens", []string{"--timeout", "100ms"}, 124, "", "eventsvc: timed out: no matching event\n"},
		{"Nothing happens beside a command that ends", []string{"--timeout", "100ms", "--", "true"}, 124, "", "eventsvc: timed out"},
		{"Nothing happens beside a command that runs", []string{"--timeout", "100ms", "--", "sleep", "1000"}, 124, "", "eventsvc: timed out"},
		{"The command fails", []string{"--", "sh", "-c", "exit 42"}, 42, "", "eventsvc: the command sh failed with exit code 42\n"},
		{"The command is killed", []string{"--", "sh", "-c", "kill -9 $$"}, 137, "", ""},
		{"There is no such command", []string{"--", "no-such-command-here"}, 127, "", "eventsvc: cannot run no-such-command-here: "},
		{"It is no program", []string{"--", "/etc/passwd"}, 126, "", "eventsvc: cannot run /etc/passwd: permission denied\n"},
		{"What has happened counts", []string{"--since", "2020-01-01", "--filter", "event=died", "--format", "{{.ContainerExitCode}}"}, 0, "0\n", ""},
		{"A bad filter", []string{"--filter", "evnt=died"}, 1, "", "eventsvc: cannot "},
		{"Words without a dash", []string{"true"}, 1, "", "eventsvc: cannot use \"true\": "},
		{"A bad time", []string{"--timeout", "soon"}, 1, "", "eventsvc: invalid argument \"soon\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := runIn(t.Context(), append([]string{"wait", "--address", r.address}, test.arguments...)...)
			checkCode(t, code, test.code)
			check(t, "stdout", stdout, test.stdout)
			if !strings.HasPrefix(stderr, test.stderr) || (test.stderr == "") != (stderr == "") {
				t.Errorf("stderr is %q, want %q", stderr, test.stderr)
			}
		})
	}
	_, _, code := runIn(t.Context(), "wait", "--address", "unix:"+filepath.Join(r.dir, "nobody"), "--", "true")
	checkCode(t, code, exitUnreachable)
}

// wait ends with its command, also when the event came before.
func TestWait_eventBeforeCommandEnds(t *testing.T) {
	r := newRig(t, sample)
	script := strings.Join(r.writer("quick"), " ") + "; exit 3"
	stdout, _, code := runIn(t.Context(), "wait", "--address", r.address, "--filter", "volume=quick", "--format", "{{.Name}}", "--", "sh", "-c", script)
	checkCode(t, code, 3)
	if stdout != "quick\n" && stdout != "" { // the failure may be seen first
		t.Errorf("stdout is %q", stdout)
	}
}

// Wait passes a signal on to its command.
func TestWait_signal(t *testing.T) {
	r := newRig(t, sample)
	mark := filepath.Join(r.dir, "mark")
	c := process(t, "wait", "--address", r.address, "--", "sh", "-c",
		`trap 'echo got TERM >`+mark+`; exit 0' TERM; echo begun >&2; while :; do sleep 0.01; done`)
	errs := new(output)
	c.Stderr = errs
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	errs.expect(t, "begun")
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), 143)
	check(t, "what the command left", readFile(t, mark), "got TERM\n")
	check(t, "stdout", out.String(), "")
}
