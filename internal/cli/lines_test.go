package cli

import (
	"fmt"
	"strings"
	"testing"
)

// TestEvents_lastLinesAreThoseOfTheWholeLog: -n prints the end of what is printed
// without it, also where the times of the events are not in the order of the log.
func TestEvents_lastLinesAreThoseOfTheWholeLog(t *testing.T) {
	var log strings.Builder
	for i := range 600 {
		second := i * i / 7 // further and further apart
		if i%13 == 0 {
			second /= 3 // a clock that was wrong
		}
		verdict := []string{"healthy", "unhealthy"}[i/5%2]
		fmt.Fprintf(&log, `{"ID":"c%d","Name":"c%d","Status":"health_status","health_status":"%s","Time":"2026-11-%02dT%02d:%02d:%02dZ","Type":"container"}`+"\n",
			i%3, i, verdict, 20+second/86400, second/3600%24, second/60%60, second%60)
	}
	r := newRig(t, log.String())
	for _, choice := range []string{
		"", "-f id=c1", "-f name=c3*", "-f name=c3", "-f name=none", "-f health=changed", "--until 2026-11-20T06:00:00Z", "--since 2026-11-20T14:00:00Z",
		"--since 2026-11-20T02:00:00Z --until 2026-11-20T05:00:00Z", "--until 2026-11-20T00:00:01Z", "--since 2027-01-01",
	} {
		arguments := append([]string{"events", "--stream=false", "--format", "{{.Name}} {{.Time.Unix}}"}, strings.Fields(choice)...)
		stdout, _, code := r.run(arguments...)
		checkCode(t, code, exitOK)
		all := strings.SplitAfter(stdout, "\n")
		all = all[:len(all)-1]
		for _, lines := range []int{0, 1, 2, 7, 50, 599, 1000} {
			stdout, stderr, code := r.run(append(arguments, "-n", fmt.Sprint(lines))...)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			check(t, fmt.Sprintf("the last %d of %q", lines, choice), stdout, strings.Join(all[max(0, len(all)-lines):], ""))
		}
	}
}
