package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestHistory_lostMidway: the log is truncated while its history is being printed. The
// command exits with the code for that, and with --if-expired oldest it continues from
// what the log then holds.
func TestHistory_lostMidway(t *testing.T) {
	const count = 100_000 // more than the pipe, the socket and the pages read ahead hold
	for _, test := range []struct {
		options []string
		code    int
		ends    string
	}{
		{nil, 10, "--if-expired oldest"},
		{[]string{"--if-expired", "oldest"}, 0, "after the cut"},
	} {
		d := newDaemon(t)
		var log strings.Builder
		for n := range count {
			log.WriteString(lineOf(fmt.Sprintf("before %d", n)))
		}
		appendTo(t, d.log, log.String())
		d.start()
		cmd := exec.Command(binary, append([]string{"events", "--address", "unix:" + d.socket, "--stream=false", "--format", "{{.Name}}"}, test.options...)...)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		if err := os.Truncate(d.log, 0); err != nil {
			t.Fatal(err)
		}
		appendTo(t, d.log, lineOf("after the cut"))
		last, n := lines.Text(), 1
		for lines.Scan() {
			last = lines.Text()
			n++
		}
		_ = cmd.Wait()
		t.Logf("%d lines, the last is %q; it ended with %d: %s", n, last, cmd.ProcessState.ExitCode(), said.String())
		if code := cmd.ProcessState.ExitCode(); code != test.code || n >= count || !strings.Contains(last+said.String(), test.ends) {
			t.Errorf("%q: %d lines, the last is %q; it ended with %d: %s", test.options, n, last, code, said.String())
		}
		d.stop()
	}
}
