package cli

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWrite_printsTheCursor(t *testing.T) {
	r := newRig(t, "")
	cursor, stderr, code := r.run("write", "--type", "container", "--status", "exec_died", "--id", "i", "--name", "n", "--image", "im",
		"--pod-id", "p", "--network", "net", "--exit-code", "0", "--time", "2026-11-23T12:45:39.5Z", "--error", "e",
		"--health-status", "healthy", "--health-log", "l", "--health-failing-streak", "2", "--attribute", "a=b=c", "--attribute", "d=")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	got, _, _ := r.run("events", "--stream=false", "--format", "json")
	check(t, "the event", got, `{"ContainerExitCode":0,"ID":"i","Image":"im","Name":"n","network":"net","Status":"exec_died",`+
		`"time":1795437939,"timeNano":1795437939500000000,"Type":"container","health_status":"healthy","health_log":"l","health_failing_streak":2,`+
		`"Error":"e","PodID":"p","Attributes":{"a":"b=c","d":""},"Timestamp":"`+
		time.Date(2026, 11, 23, 12, 45, 39, 5e8, time.UTC).Local().Format(time.RFC3339Nano)+`","UID":`+strconv.Itoa(os.Getuid())+`,"Cursor":"`+strings.TrimSpace(cursor)+`"}`+"\n")
}

// Write refuses what is no event.
func TestWrite_refuses(t *testing.T) {
	r := newRig(t, "")
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"Type", []string{"--type", "volum", "--status", "create"}, `unknown event type "volum", did you mean "volume"?`},
		{"Status", []string{"--type", "volume", "--status", "creat"}, `unknown event status "creat", did you mean "create"?`},
		{"Time", []string{"--type", "volume", "--status", "create", "--time", "noon"}, `cannot understand time "noon": `},
		{"Attribute", []string{"--type", "volume", "--status", "create", "--attribute", "a"}, `cannot understand --attribute "a": give KEY=VALUE`},
		{"Exit code", []string{"--type", "container", "--status", "died", "--exit-code", "4294967296"}, "exitCode"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stderr, code := r.run(append([]string{"write"}, test.arguments...)...)
			checkCode(t, code, exitError)
			if !strings.Contains(stderr, test.want) {
				t.Errorf("stderr is %q, want %q", stderr, test.want)
			}
		})
	}
	got, _, _ := r.run("events", "--stream=false")
	check(t, "the log", got, "")
}

func TestStatus_formats(t *testing.T) {
	r := newRig(t, sample+"garbage\n")
	r.write("a")
	stdout, _, code := r.run("status")
	checkCode(t, code, exitOK)
	for _, want := range []string{
		"Address:         " + r.address + "\n", "Store:           file " + r.log() + "\n",
		"Oldest event:    2026-11-23 12:45:39 +0000 (", "Events written:  1\n", "Subscribers:     0\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("status has no %q:\n%s", want, stdout)
		}
	}
	stdout, _, code = r.run("status", "--format", "json")
	checkCode(t, code, exitOK)
	for _, want := range []string{`"backend":"file"`, `"path":"` + r.log() + `"`, `"eventsWritten":1`, `"oldest":"2026-11-23T12:45:39.002295797Z"`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("status has no %s: %s", want, stdout)
		}
	}
	_, stderr, code := r.run("status", "--format", "yaml")
	checkCode(t, code, exitError)
	check(t, "stderr", stderr, "eventsvc: cannot use --format \"yaml\": give json, or leave it out for text\n")
}
