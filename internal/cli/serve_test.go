package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// host is what a test lets serve see of Podman: a containers.conf, and a short
// directory for sockets.
func host(t *testing.T, engine string) (dir string) {
	t.Helper()
	dir = testkit.ShortDir(t)
	conf := filepath.Join(dir, "containers.conf")
	writeFile(t, conf, "[engine]\n"+engine)
	t.Setenv("CONTAINERS_CONF", conf)
	return dir
}

// Serve reads the log of Podman and says why.
func TestServe_podmanLog(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "podman.log")
	writeFile(t, filepath.Join(dir, "containers.conf"), fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\n", log))
	writeFile(t, log, sample)
	address := "unix:" + filepath.Join(dir, "s")
	c := begin(t, "serve", "--listen", address, "--listen", address+"-ro,mode=0666,readonly")
	c.errs.expect(t, "listening on "+address+" and "+address+"-ro,mode=0666,readonly\n")
	for _, want := range []string{"eventsvc: serving log file " + log + "\n", "containers.conf:2", "containers.conf:3"} {
		if !strings.Contains(c.errs.String(), want) {
			t.Errorf("serve does not say %q: %s", want, c.errs)
		}
	}
	if mode, err := os.Stat(filepath.Join(dir, "s")); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the socket is %v, %v", mode.Mode(), err)
	}
	stdout, _, code := runIn(t.Context(), "events", "--stream=false", "--address", address, "--format", "{{.Type}}")
	checkCode(t, code, exitOK)
	check(t, "the events", stdout, "system\ncontainer\ncontainer\nvolume\n")
	_, _, code = runIn(t.Context(), "write", "--address", address+"-ro", "--type", "volume", "--status", "create")
	checkCode(t, code, exitDenied)
	checkCode(t, c.end(t), exitOK)
	check(t, "stdout", c.out.String(), "")
	if _, err := os.Stat(filepath.Join(dir, "s")); err == nil {
		t.Error("the socket is still there")
	}
}

// Serve keeps a log of its own.
func TestServe_ownLog(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "own", "events.log")
	address := "unix:" + filepath.Join(dir, "s")
	c := begin(t, "serve", "--listen", address, "--log-file", log, "--log-max-size", "1m")
	c.errs.expect(t, "serving log file "+log+", kept below 1000000 bytes\n")
	c.errs.expect(t, "listening on")
	_, stderr, code := runIn(t.Context(), "write", "--address", address, "--type", "volume", "--status", "create", "--name", "v")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	checkCode(t, c.end(t), exitOK)
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), `"Name":"v"`) {
		t.Errorf("the log holds %q, %v", text, err)
	}
}

// Serve without a store takes events and gives none.
func TestServe_noStore(t *testing.T) {
	dir := host(t, "")
	address := "unix:" + filepath.Join(dir, "s")
	c := begin(t, "serve", "--listen", address, "--backend", "none")
	c.errs.expect(t, "serving backend none\n")
	c.errs.expect(t, "listening on")
	_, _, code := runIn(t.Context(), "write", "--address", address, "--type", "volume", "--status", "create")
	checkCode(t, code, exitOK)
	for _, stream := range []string{"--stream=true", "--stream=false"} {
		_, stderr, code := runIn(t.Context(), "events", stream, "--address", address)
		checkCode(t, code, exitError)
		if !strings.Contains(stderr, "keeps no events") {
			t.Errorf("stderr is %q", stderr)
		}
	}
	checkCode(t, c.end(t), exitOK)
}

// Serve refuses and says what to do.
func TestServe_refuses(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "podman.log")
	writeFile(t, filepath.Join(dir, "containers.conf"), fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\n", log))
	if err := os.Symlink("podman.log", filepath.Join(dir, "link.log")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, log, "")
	long := "unix:/tmp/" + strings.Repeat("x", 110)
	listen := "unix:" + filepath.Join(dir, "s")
	for _, test := range []struct {
		name      string
		arguments []string
		want      []string
	}{
		{"A path that no socket can have", []string{"--listen", long}, []string{"cannot listen on", "at most 107", "choose a shorter"}},
		{"An address that is none", []string{"--listen", "/tmp/x"}, []string{"cannot listen on", "give unix:PATH"}},
		{"An option that is none", []string{"--listen", listen + ",mdoe=0600"}, []string{"unknown option", "mode=0600 and readonly"}},
		{"A directory that is not there", []string{"--listen", "unix:" + dir + "/no/s"}, []string{"cannot listen on", "create it first"}},
		{"A bound on Podman's log", []string{"--log-max-size", "1m"}, []string{"cannot use --log-max-size", "Podman rotates itself", "--log-file"}},
		{"A bound on Podman's log by name", []string{"--log-file", log, "--log-max-size", "1m"}, []string{"cannot use --log-max-size", "Podman rotates itself"}},
		{"A bound on Podman's log by another name", []string{"--log-file", dir + "/link.log", "--log-max-size", "1m"}, []string{"cannot use --log-max-size"}},
		{"A bound that is none", []string{"--log-max-size", "big"}, []string{`cannot understand --log-max-size "big"`, "k, m or g"}},
		{"A bound that is too small", []string{"--log-file", dir + "/x", "--log-max-size", "1k"}, []string{"at least 4k"}},
		{"A bound on no file", []string{"--backend", "none", "--log-max-size", "1m"}, []string{"cannot use --log-max-size", "backend is none", "leave it out"}},
		{"A log file without file", []string{"--backend", "journald", "--log-file", log}, []string{"cannot use --log-file", "backend is journald", "leave one of them out"}},
		{"A backend that is none", []string{"--backend", "jurnald"}, []string{`unknown backend "jurnald"`, `did you mean "journald"?`}},
		{"A backend that is none, with a file", []string{"--backend", "fiel", "--log-file", log}, []string{`unknown backend "fiel"`, `did you mean "file"?`}},
		{"A user that is none", []string{"--allow-read", "no-such-user-here"}, []string{`cannot allow user "no-such-user-here"`}},
		{"A durability that is none", []string{"--sync", "sometimes"}, []string{"cannot use --sync", "always, interval or never"}},
		{"Durability of no file", []string{"--backend", "none", "--sync", "always"}, []string{"cannot use --sync always", "backend is none", "leave it out"}},
		{"No connections", []string{"--max-connections", "0"}, []string{"cannot use --max-connections 0", "at least 2"}},
		{"No connections of a user", []string{"--max-connections-per-uid", "0"}, []string{"cannot use --max-connections-per-uid 0", "mode of the socket"}},
		{"No time to read", []string{"--write-timeout", "1ms"}, []string{"cannot use --write-timeout 1ms", "at least 1s"}},
		{"Requests of no size", []string{"--max-request-size", "big"}, []string{`cannot understand --max-request-size "big"`}},
		{"Requests that are too short", []string{"--max-request-size", "1k"}, []string{"cannot use --max-request-size 1k", "between 4096 and"}},
		{"Requests that are too long", []string{"--max-request-size", "1g"}, []string{"cannot use --max-request-size 1g", "and 16777216 bytes"}},
		{"A group that is none", []string{"--allow-write", "@no-such-group-here"}, []string{`cannot allow group "no-such-group-here"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			arguments := append([]string{"serve"}, test.arguments...)
			if !strings.Contains(strings.Join(arguments, " "), "--listen") {
				arguments = append(arguments, "--listen", listen)
			}
			stdout, stderr, code := runIn(t.Context(), arguments...)
			checkCode(t, code, exitError)
			check(t, "stdout", stdout, "")
			if !strings.HasPrefix(stderr, "eventsvc: cannot ") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("stderr is %q", stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr does not say %q: %s", want, stderr)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, "s")); err == nil {
				t.Error("a socket was left behind")
			}
		})
	}
}

// Second service on the same place is refused.
func TestServe_secondService(t *testing.T) {
	r := newRig(t, sample)
	dir := host(t, "")
	_, stderr, code := runIn(t.Context(), "serve", "--log-file", filepath.Join(dir, "log"), "--listen", r.address)
	checkCode(t, code, exitError)
	if !strings.Contains(stderr, "another process listens there; stop it, or choose another path") {
		t.Errorf("stderr is %q", stderr)
	}
	_, _, code = r.run("status")
	checkCode(t, code, exitOK)
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": 0, "64000": 64000, "100k": 100e3, "5M": 5e6, "2g": 2e9} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "1t", "k", "1.5m", "99999999999g", "1000", "m1"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is understood as %d", text, got)
		}
	}
}
