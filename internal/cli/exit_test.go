package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	r := newRig(t, sample)
	nowhere := "unix:" + filepath.Join(t.TempDir(), "s")
	readOnly := r.address + "-ro"
	for _, test := range []struct {
		name      string
		arguments []string
		code      int
		stderr    string // how it begins
	}{
		{"No command prints help", nil, exitOK, ""},
		{"Unknown command", []string{"evnts"}, exitError, `eventsvc: unknown command "evnts", did you mean "events"?`},
		{"A command of others", []string{"ps"}, exitError, `eventsvc: unknown command "ps", did you mean "state"?`},
		{"Unknown command far from any", []string{"xyzzy"}, exitError, `eventsvc: unknown command "xyzzy"; see 'eventsvc --help'`},
		{"Unknown flag", []string{"events", "--fliter", "x"}, exitError, "eventsvc: unknown flag: --fliter; see 'eventsvc events --help'"},
		{"Word too many", []string{"status", "now"}, exitError, `eventsvc: cannot use "now": 'eventsvc status' takes no arguments; see 'eventsvc status --help'`},
		{"Filter without its flag", []string{"events", "type=pod"}, exitError, `eventsvc: cannot use "type=pod": 'eventsvc events' takes no arguments; give --filter type=pod`},
		{"Bad address", []string{"status", "--address", "host:12"}, exitError, `eventsvc: cannot use address "host:12": `},
		{"No service: status", []string{"status", "--address", nowhere}, exitUnreachable, "eventsvc: cannot connect to " + nowhere + ": no such file or directory; is the service running?"},
		{"No service: events", []string{"events", "--address", nowhere}, exitUnreachable, "eventsvc: cannot connect to "},
		{"No service: bridge", []string{"bridge", "--address", nowhere}, exitUnreachable, "eventsvc: cannot connect to "},
		{"No permission", []string{"write", "--address", readOnly, "--type", "volume", "--status", "create"}, exitDenied, "eventsvc: permission denied by the service"},
		{"Event without type", []string{"write", "--address", r.address, "--status", "create"}, exitError, "eventsvc: cannot write an event without --type; see 'eventsvc write --help'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stderr, code := runIn(t.Context(), test.arguments...)
			checkCode(t, code, test.code)
			if !strings.HasPrefix(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("stderr is %q, want %q", stderr, test.stderr)
			}
		})
	}
}

// Output that cannot be written is an error.
func TestOutput_cannotBeWritten(t *testing.T) {
	r := newRig(t, sample)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	for _, words := range [][]string{
		{"events", "--stream=false", "--address", r.address},
		{"events", "--since", "2020-01-01", "--address", r.address},
		{"wait", "--since", "2020-01-01", "--address", r.address},
		{"write", "--type", "volume", "--status", "create", "--address", r.address},
		{"status", "--address", r.address},
		{"status", "--format", "json", "--address", r.address},
		{"version"},
		{"completion", "bash"},
		{"serve", "--check-config", "--log-file", r.log()},
	} {
		t.Run(strings.Join(words[:1], " "), func(t *testing.T) {
			c := process(t, words...)
			c.Stdout = full
			var errs strings.Builder
			c.Stderr = &errs
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			checkCode(t, exitOf(t, c), exitError)
			check(t, "stderr", errs.String(), "eventsvc: cannot write the output: write /dev/stdout: no space left on device\n")
		})
	}
}
