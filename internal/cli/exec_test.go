package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// testBinary is this program, which is eventsvc with mainVariable in its
// environment.
var testBinary = os.Args[0]

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// Exec gives each event to a command.
func TestExec_everyEvent(t *testing.T) {
	r := newRig(t, sample)
	out := filepath.Join(r.dir, "out")
	script := `echo "$EVENTSVC_TYPE|$EVENTSVC_STATUS|$EVENTSVC_NAME|$EVENTSVC_IMAGE|${EVENTSVC_EXIT_CODE-none}|$EVENTSVC_TIME|$EVENTSVC_ATTRIBUTES|$1" >>` +
		out + `; cat >>` + out
	_, stderr, code := runIn(t.Context(), "exec", "--address", r.address, "--since", "2020-01-01", "--stream=false", "--filter", "type=container", "--filter", "type=volume",
		"--", "sh", "-c", script, "sh", "word with blank")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	lines := strings.Split(readFile(t, out), "\n")
	for i, want := range []string{
		`container|create|c1|localhost/scratch:1|none|2026-11-23T12:45:39.84681649Z|{"a":"b","q":"x=y <&>"}|word with blank`,
		`container|died|c1|localhost/scratch:1|0|2026-11-23T12:45:40Z|{"a":"b"}|word with blank`,
		`volume|remove|vol1||none|2026-11-23T12:45:40.354929405Z||word with blank`,
	} {
		if len(lines) <= 2*i+1 {
			t.Fatalf("there are only %d lines", len(lines))
		}
		check(t, "the environment", lines[2*i], want)
		var e struct{ Cursor, Name, Status string }
		if err := json.Unmarshal([]byte(lines[2*i+1]), &e); err != nil || e.Cursor == "" || !strings.Contains(want, e.Status) {
			t.Errorf("stdin has %q: %v", lines[2*i+1], err)
		}
	}
}

// Environment of an event that fits none.
func TestExec_environmentTooLarge(t *testing.T) {
	e := events.Event{Type: events.Container, Status: events.Create, Name: "a\x00b", Time: time.Unix(0, 0).UTC()}
	e.Attributes = map[string]string{"long": strings.Repeat("x", 200<<10)}
	e.Image = "new\nline"
	inherited := []string{"PATH=/bin", "EVENTSVC_NAME=old", "EVENTSVC_EXIT_CODE=1", "EVENTSVC_ADDRESS=unix:/s", "EVENTSVC_ATTRIBUTES=old"}
	got, err := eventEnvironment(inherited, &e)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PATH=/bin", "EVENTSVC_ADDRESS=unix:/s", "EVENTSVC_TYPE=container", "EVENTSVC_STATUS=create",
		"EVENTSVC_TIME=1970-01-01T00:00:00Z", "EVENTSVC_NAME=a\uFFFDb", "EVENTSVC_IMAGE=new\nline",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the environment is %q, want %q", got, want)
	}
}

func TestExec_inOrder(t *testing.T) {
	r := newRig(t, "")
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("v%02d", i))
	}
	r.write(names...)
	place, out := filepath.Join(r.dir, "place"), filepath.Join(r.dir, "out")
	script := `[ "$EVENTSVC_NAME" != v07 ] || [ -e ` + r.dir + `/mended ] || exit 5; echo "$EVENTSVC_NAME" >>` + out
	all := []string{"exec", "--since", "2020-01-01", "--stream=false", "--cursor-file", place, "--on-failure", "stop", "--", "sh", "-c", script}
	all = append(all[:1:1], append([]string{"--address", r.address}, all[1:]...)...)

	_, stderr, code := runIn(t.Context(), all...)
	checkCode(t, code, 5)
	check(t, "stderr", stderr, "eventsvc: the command sh failed with exit code 5\n")
	check(t, "what was done", readFile(t, out), strings.Join(names[:7], "\n")+"\n")

	// The event that failed comes again, and none of those before it.
	writeFile(t, filepath.Join(r.dir, "mended"), "")
	_, stderr, code = runIn(t.Context(), all...)
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	check(t, "what was done", readFile(t, out), strings.Join(names, "\n")+"\n")
	_, _, code = runIn(t.Context(), all...)
	checkCode(t, code, exitOK)
	check(t, "what was done the third time", readFile(t, out), strings.Join(names, "\n")+"\n")
}

func TestExec_onFailure(t *testing.T) {
	r := newRig(t, "")
	r.write("a", "b", "c")
	out := filepath.Join(r.dir, "out")
	_, stderr, code := runIn(t.Context(), "exec", "--address", r.address, "--since", "2020-01-01", "--stream=false", "--", "sh", "-c",
		`echo "$EVENTSVC_NAME" >>`+out+`; [ "$EVENTSVC_NAME" != b ]`)
	checkCode(t, code, exitError)
	check(t, "what was done", readFile(t, out), "a\nb\nc\n")
	for _, want := range []string{"eventsvc: the command sh failed with exit code 1, for volume create b (cursor ", "failed for 1 of the events\n"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not say %q: %s", want, stderr)
		}
	}
}

// Exec tries again until it succeeds.
func TestExec_retries(t *testing.T) {
	r := newRig(t, "")
	r.write("a", "b")
	out := filepath.Join(r.dir, "out")
	_, stderr, code := runIn(t.Context(), "exec", "--address", r.address, "--since", "2020-01-01", "--stream=false", "--on-failure", "retry",
		"--", "sh", "-c", `echo "$EVENTSVC_NAME" >>`+out+`; [ "$(wc -l <`+out+`)" -ge 2 ]`)
	checkCode(t, code, exitOK)
	check(t, "what was done", readFile(t, out), "a\na\nb\n")
	if !strings.Contains(stderr, "trying again in 1s") {
		t.Errorf("stderr is %q", stderr)
	}
}

func TestExec_sideBySide(t *testing.T) {
	r := newRig(t, "")
	r.write("slow", "b", "c", "d", "e", "f")
	place, out, release := filepath.Join(r.dir, "place"), filepath.Join(r.dir, "out"), filepath.Join(r.dir, "release")
	c := begin(t, "exec", "--address", r.address, "--since", "2020-01-01", "--stream=false", "--cursor-file", place, "--jobs", "3", "--", "sh", "-c",
		`[ "$EVENTSVC_NAME" != slow ] || while [ ! -e `+release+` ]; do sleep 0.01; done; echo "$EVENTSVC_NAME" >>`+out)
	eventually(t, "end of the quick ones", func() bool { return strings.Count(readFile(t, out), "\n") == 5 })
	check(t, "the place", readFile(t, place), "")
	writeFile(t, release, "")
	checkCode(t, c.wait(t), exitOK)
	last, err := r.client().GetLastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, place); !strings.HasPrefix(got, last.Cursor) {
		t.Errorf("the place is %q, want that behind %q", got, last.Cursor)
	}
}

// Exec passes a signal on and waits for the command.
func TestExec_signal(t *testing.T) {
	r := newRig(t, "")
	r.write("a")
	place, out := filepath.Join(r.dir, "place"), filepath.Join(r.dir, "out")
	c := process(t, "exec", "--address", r.address, "--since", "2020-01-01", "--cursor-file", place, "--", "sh", "-c",
		`trap 'sleep 0.2; echo ended >>`+out+`; exit 1' TERM; echo begun >>`+out+`; while :; do sleep 0.01; done`)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "command", func() bool { return readFile(t, out) == "begun\n" })
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), 143)
	check(t, "what the command left", readFile(t, out), "begun\nended\n")
	// It comes again.
	_, _, code := runIn(t.Context(), "exec", "--address", r.address, "--cursor-file", place, "--stream=false", "--", "sh", "-c", "echo again >>"+out)
	checkCode(t, code, exitOK)
	check(t, "what the command left", readFile(t, out), "begun\nended\nagain\n")
}

// Exec refuses what it cannot do.
func TestExec_refuses(t *testing.T) {
	r := newRig(t, "")
	for _, test := range []struct {
		name, stderr string
		arguments    []string
		code         int
	}{
		{"No command", "eventsvc: cannot run a command: none is given; put it after --\n", nil, 1},
		{"No such command", "eventsvc: cannot run no-such-command-here: ", []string{"--", "no-such-command-here"}, 127},
		{"No such policy", "eventsvc: cannot use --on-failure ignore: it must be continue, stop or retry\n", []string{"--on-failure", "ignore", "--", "true"}, 1},
		{"No jobs", "eventsvc: cannot use --jobs 0: must be between 1 and 1024\n", []string{"--jobs", "0", "--", "true"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stderr, code := runIn(t.Context(), append([]string{"exec", "--address", r.address}, test.arguments...)...)
			checkCode(t, code, test.code)
			if !strings.HasPrefix(stderr, test.stderr) {
				t.Errorf("stderr is %q", stderr)
			}
		})
	}
}
