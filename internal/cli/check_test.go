package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// --check-config warns of what stands in the way now.
func TestCheckConfig_warns(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "log")
	writeFile(t, log, sample)
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/bash\n", "other.json": `{"log":"x"}` + "\n", "binary": "\x7fELF\x02", "torn": `{"Name":"a`, "hole": "\x00\x00" + sample, "empty": "\n",
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		arguments []string
		want      string // "": no warning
	}{
		"Nothing":                      {[]string{"--listen", "unix:" + dir + "/s", "--log-file", log}, ""},
		"A log that is still to come":  {[]string{"--listen", "unix:" + dir + "/s", "--log-file", log + "/../later"}, ""},
		"An abstract socket":           {[]string{"--listen", "unix:@" + dir, "--log-file", log}, ""},
		"A directory that is missing":  {[]string{"--listen", "unix:" + dir + "/no/s", "--log-file", log}, `there is no directory "` + dir + `/no"`},
		"A directory that is a file":   {[]string{"--listen", "unix:" + log + "/s", "--log-file", log}, `"` + log + `" is not a directory`},
		"A file where the socket goes": {[]string{"--listen", "unix:" + log, "--log-file", log}, "there is a file that is not a socket"},
		"The same for the metrics":     {[]string{"--metrics", "unix:" + log, "--log-file", log}, "cannot serve metrics: cannot listen on"},
		"A log in no directory":        {[]string{"--log-file", dir + "/typo/log"}, "there is no directory " + dir + "/typo for the log"},
		"A file of accounts":           {[]string{"--log-file", dir + "/passwd"}, "the file " + dir + "/passwd is probably not an event log"},
		"Other lines of JSON":          {[]string{"--log-file", dir + "/other.json"}, "probably not an event log"},
		"A program":                    {[]string{"--log-file", dir + "/binary"}, "probably not an event log"},
		"A log with a torn line":       {[]string{"--log-file", dir + "/torn"}, ""},
		"A log that begins in a hole":  {[]string{"--log-file", dir + "/hole"}, ""},
		"An empty line":                {[]string{"--log-file", dir + "/empty"}, ""},
		"A log that is a directory":    {[]string{"--log-file", dir}, "cannot read the log " + dir + ": it is not a regular file"},
		"A log that is a pipe":         {[]string{"--log-file", dir + "/fifo"}, "fifo: it is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := runIn(t.Context(), append([]string{"serve", "--check-config", "--config", os.DevNull, "--dbus", "none"}, test.arguments...)...)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			_, warnings, found := strings.Cut(stdout, "warning\n")
			if found != (test.want != "") || !strings.Contains(warnings, test.want) {
				t.Errorf("it warns %q, and not %q", warnings, test.want)
			}
		})
	}
}

// One socket for two things is refused.
func TestServe_oneSocketTwice(t *testing.T) {
	dir := host(t, "")
	t.Chdir(dir)
	s := "unix:" + dir + "/s"
	for name, arguments := range map[string][]string{
		"The same twice":        {"--listen", s, "--listen", s},
		"Spelt differently":     {"--listen", s, "--listen", "unix:./s,mode=0666,readonly"},
		"Metrics and service":   {"--listen", s, "--metrics", "unix:s"},
		"Abstract ones":         {"--listen", "unix:@" + dir, "--listen", "unix:@" + dir + ",readonly"},
		"Metrics and the third": {"--listen", s + "1", "--listen", s + "2", "--listen", s + "3", "--metrics", s + "3"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, checked := range []string{"--check-config", "--log-level=info"} {
				arguments := append([]string{"serve", checked, "--config", os.DevNull, "--dbus", "none", "--log-file", dir + "/log"}, arguments...)
				_, stderr, code := runIn(t.Context(), arguments...)
				checkCode(t, code, exitError)
				if !strings.Contains(stderr, "it is given twice") && !strings.Contains(stderr, "the service itself listens there") {
					t.Errorf("%s says %q", checked, stderr)
				}
			}
		})
	}
	if left, _ := filepath.Glob(dir + "/s*"); len(left) > 0 {
		t.Errorf("it left %v behind", left)
	}
}

// The user of the service is named unless it is root, who may read and write anyway.
func TestCheckConfig_whoMayAnyway(t *testing.T) {
	who := "root"
	if os.Getuid() != 0 {
		who = fmt.Sprint("root and uid ", os.Getuid())
	}
	stdout, stderr, code := runIn(t.Context(), "serve", "--check-config", "--config", os.DevNull, "--dbus", "none")
	for _, line := range []string{"readers of all events, besides " + who + "\n", "writers, besides " + who + "\n"} {
		if code != 0 || !strings.Contains(stdout, line) {
			t.Errorf("exit code %d, output without %q:\n%s%s", code, line, stdout, stderr)
		}
	}
}
