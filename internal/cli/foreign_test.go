package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/client"
)

// TestForeignSpellings_getAHint: what other tools take, and what to give here.
func TestForeignSpellings_getAHint(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct{ arguments, hint string }{
		{"--tail 5", "give --lines NUMBER"},
		{"--tail=5", "give --lines NUMBER"},
		{"--json", "give --format json"},
		{"-o json", "give --format json"},
		{"-ojson", "give --format json"},
		{"--no-stream", "give --stream=false"},
		{"--stream false", "give --stream=false"},
		{"--stream --no-trunc false", "give --no-trunc=false"},
		{"-n -1", "cannot use --lines -1: must be between 0 and"},
		{"--format jsonl", "give json, which prints a line of JSON for each event"},
		{"-n +5", "the last events are chosen; for the first ones give --since @0 --stream=false | head -n 5"},
		{"--lines=all", "give a number; for all past events give --since @0"},
		{"-w", "it follows unless --stream=false is given"},
		{"-o short-iso", "give --format json or --format short"},
		{"-r", "events are printed oldest first"},
		{"-u web.service", "give --filter container=NAME, or --filter label=PODMAN_SYSTEMD_UNIT=UNIT"},
		{"-S yesterday", "give --since TIME"},
		{"-U now", "give --until TIME"},
		{"-g web", "give --filter 'name=*WORD*'"},
		{"--no-pager", "there is nothing like it; leave it out"},
		{"-q", "there is nothing like it; leave it out"},
		{"--utc", "set TZ=UTC, in which times are then printed and read"},
		{"-A", "give --all-users"},
		{"--field-selector reason=Killing", "give --filter KEY=VALUE"},
		{"--since 20261126", "a date has hyphens; give 2026-11-26, or @20261126 for Unix seconds"},
		{"--filter scope=local", "all events are of this host; leave it out"},
		{"--filter type=daemon", "give type=system"},
		{"--filter event=exec_create:", "give event=exec, which is the start of the process"},
		{"--format table", "leave 'table' out, or give short"},
		{"--format json,", "give json, which prints a line of JSON for each event"},
		{"--lines 3 --after-cursor x", "give one of them"},
		{"-n -2", "must be between 0 and 100000"},
		{"--cursor-file /proc/none/x", "cannot keep the cursor in /proc/none/x"},
	} {
		stdout, stderr, code := r.run(append([]string{"events", "--stream=false"}, strings.Fields(test.arguments)...)...)
		if code != exitError || stdout != "" || !strings.Contains(stderr, test.hint) {
			t.Errorf("%s: %d, %q, %q", test.arguments, code, stdout, stderr)
		}
	}
	for line, hint := range map[string]string{
		"state --follow":                     "give --cursor-file FILE, and then 'eventsvc events' with the same",
		"state -w":                           "give --cursor-file FILE, and then 'eventsvc events' with the same",
		"wait -f event=start podman start x": "give a command after --, as in 'eventsvc wait … -- podman start x'",
		"exec -f event=start":                "put it after --",
	} {
		if stdout, stderr, code := r.run(strings.Fields(line)...); code != exitError || stdout != "" || !strings.Contains(stderr, hint) {
			t.Errorf("%s: %d, %q, %q", line, code, stdout, stderr)
		}
	}
	if _, stderr, code := r.run("exec", "--", "jq .Name"); code != exitNotFound || !strings.Contains(stderr, "give its arguments as words of their own, or sh -c") {
		t.Errorf("%d, %q", code, stderr)
	}
	for address, hint := range map[string]string{
		"ssh://web1": "give ssh-exec:web1", "ssh://me@web1/run/x": "give ssh-exec:me@web1", "tcp://web1:80": "give ssh-exec:HOST",
	} {
		if _, err := client.New(address); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if entries, _ := filepath.Glob(filepath.Join(r.dir, ".*")); len(entries) > 0 {
		t.Errorf("there are %q", entries)
	}
}

// TestEvents_lastLines: -n gives the last that match, and then what is new.
func TestEvents_lastLines(t *testing.T) {
	r := newRig(t, sample)
	const name = "{{.Status}} {{.Name}}"
	for lines, want := range map[string]string{
		"0": "", "1": "remove vol1\n", "2": "died c1\nremove vol1\n", "50": "refresh \ncreate c1\ndied c1\nremove vol1\n",
	} {
		stdout, stderr, code := r.run("events", "--stream=false", "-n", lines, "--format", name)
		checkCode(t, code, exitOK)
		check(t, "stderr", stderr, "")
		check(t, "the last "+lines, stdout, want)
	}
	stdout, _, _ := r.run("events", "--stream=false", "-n", "1", "--filter", "type=container", "--format", name)
	check(t, "the last container", stdout, "died c1\n")
	c := r.begin("events", "-n", "1", "--format", name)
	c.out.expect(t, "remove vol1\n")
	r.write("new")
	c.out.expect(t, "create new\n")
	checkCode(t, c.end(t), exitSignal+2)
	check(t, "stdout", c.out.String(), "remove vol1\ncreate new\n")
}
