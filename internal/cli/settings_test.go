package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// Reload takes up what can be changed and names the rest.
func TestReload_namesTheRest(t *testing.T) {
	dir := host(t, "")
	m := testkit.ListenAsManager(t, dir)
	conf := filepath.Join(dir, "eventsvc.toml")
	address := "unix:" + filepath.Join(dir, "s")
	writeFile(t, conf, fmt.Sprintf("listen = [%q]\nlog-level = \"warn\"\nlog-file = %q\n", address, filepath.Join(dir, "log")))
	c := process(t, "serve", "--config", conf, "--dbus", "none")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Path)
	errs := startServe(t, c)
	m.Await("READY=1")
	for _, want := range []string{"listen = [\"" + address + "\"]: " + conf + ":1", "log-level = \"warn\": " + conf + ":2"} {
		errs.expect(t, want)
	}

	// The moved log is for the next start, the level for now.
	writeFile(t, conf, fmt.Sprintf("listen = [%q]\nlog-level = \"debug\"\nlog-file = %q\nallow-write = [\"@0\"]\n",
		address, filepath.Join(dir, "log2")))
	c.Process.Signal(syscall.SIGHUP)
	if got := m.Await("RELOADING=1"); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[0-9]+$`).MatchString(got) {
		t.Errorf("systemd is notified of %q", got)
	}
	m.Await("READY=1\nSTATUS=Serving log file " + filepath.Join(dir, "log") + "; no subscribers")
	errs.expect(t, `a changed option takes effect only after a restart`)
	errs.expect(t, "option log-file")
	errs.expect(t, `log-level="debug"`)
	errs.expect(t, `allow-write=["@0"]`)

	// A bad one changes nothing, and does not end the service.
	writeFile(t, conf, "log-level = \"error\"\nallow-reed = []\n")
	c.Process.Signal(syscall.SIGHUP)
	m.Await("RELOADING=1")
	m.Await("READY=1")
	errs.expect(t, "cannot use the new configuration; keeping the current one")
	errs.expect(t, `allow-reed in `+conf+`:2: there is no such key; did you mean "allow-read"?`)
	writeFile(t, conf, "log-level = \"error\"\nallow-read = [\"no-such-user-here\"]\n")
	c.Process.Signal(syscall.SIGHUP)
	errs.expect(t, "allow-read is set in "+conf+":2")
	if _, _, code := runIn(t.Context(), "status", "--address", address); code != exitOK {
		t.Errorf("the service does not answer any more: %d", code)
	}
	c.Process.Signal(syscall.SIGTERM)
	m.Await("STOPPING=1")
	checkCode(t, exitOf(t, c), exitOK)
}

// Command line wins over files after a reload too.
func TestReload_commandLineWins(t *testing.T) {
	dir := host(t, "")
	conf := filepath.Join(dir, "eventsvc.toml")
	writeFile(t, conf, "log-level = \"debug\"\nallow-read = [\"1\"]\n")
	a := &app{name: "eventsvc", stdout: io.Discard, stderr: io.Discard}
	flags := a.serveCommand().Flags()
	if err := flags.Parse([]string{"--config", conf, "--log-level", "error", "--allow-read", "2", "--allow-read", "3"}); err != nil {
		t.Fatal(err)
	}
	first, err := readOptions(flags, config.Host(), conf)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, conf, "log-level = \"warn\"\nallow-read = [\"4\"]\nallow-write = \"5\"\n")
	second, err := first.again(a.serveCommand().Flags(), config.Host())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"log-level": "error", "allow-read": "2 3", "allow-write": "5", "config": conf} {
		check(t, name, textOf(second.flags.Lookup(name)), want)
	}
	check(t, "what changed", strings.Join(second.changed(first), " "), "allow-write")
}

// --check-config says what and why, and touches nothing.
func TestCheckConfig_touchesNothing(t *testing.T) {
	dir := host(t, "")
	log := filepath.Join(dir, "podman", "podman.log")
	writeFile(t, filepath.Join(dir, "containers.conf"), fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\n", log))
	conf := filepath.Join(dir, "eventsvc.toml")
	writeFile(t, conf, "# where\nlisten = [\"unix:"+dir+"/s\", \"unix:"+dir+"/public,mode=0666,readonly\"]\ndbus = \"none\"\nallow-read = \"@0\"\n")
	before, _ := os.ReadDir(dir)
	stdout, stderr, code := runIn(t.Context(), "serve", "--check-config", "--config", conf, "--allow-write", "0")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	for _, want := range []string{
		"configuration files\n  " + conf + "\n",
		"store: log file " + log + "\n",
		"events_logger in " + dir + "/containers.conf:2",
		"  listen = [\"unix:" + dir + "/s\" \"unix:" + dir + "/public,mode=0666,readonly\"]: " + conf + ":2\n",
		"  unix:" + dir + "/public,mode=0666,readonly: " + conf + ":2\n",
		"D-Bus\n  none: " + conf + ":3\n",
		"allow-write = [\"0\"]: command line\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}
	after, _ := os.ReadDir(dir)
	if len(before) != len(after) {
		t.Errorf("it left something behind: %v", after)
	}
	for name, test := range map[string]struct{ text, want string }{
		"A place to listen that is none":               {"\nlisten = \"tcp:1234\"\n", "(listen is set in " + conf + ":2)"},
		"A backend that is none":                       {"backend = \"jurnald\"\n", "(backend is set in " + conf + ":1)"},
		"A level that is none":                         {"log-level = \"loud\"\n", "cannot use --log-level \"loud\""},
		"A time that is none":                          {"exit-idle-time = \"soon\"\n", "cannot use exit-idle-time in " + conf + ":1: \"soon\" is not a time"},
		"A log at a place that hangs on the directory": {"log-file = \"~/events.log\"\n", "cannot use log-file in " + conf + ":1: the path of \"~/events.log\" is relative"},
		"A socket at such a place":                     {"listen = [\"unix:@a\", \"unix:s\"]\n", "cannot use listen in " + conf + ":1: the path of \"unix:s\" is relative"},
		"Metrics at such a place":                      {"metrics = \"unix:m\"\n", "cannot use metrics in " + conf + ":1: the path of \"unix:m\" is relative"},
		"A word that names no bus":                     {"dbus = \"0\"\n", "cannot understand the bus \"0\": give system, session or an address"},
		"A bus that is waited for, and is none":        {"\ndbus = \"-tcp:host=h\"\n", "(dbus is set in " + conf + ":2)"},
		"An array where there is none":                 {"dbus = [\"system\"]\n", "cannot use dbus in " + conf + ":1: want one value"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, conf, test.text)
			_, stderr, code := runIn(t.Context(), "serve", "--check-config", "--config", conf)
			checkCode(t, code, exitError)
			if !strings.HasPrefix(stderr, "eventsvc: cannot ") || !strings.Contains(stderr, test.want) {
				t.Errorf("it says %q, and not %q", stderr, test.want)
			}
		})
	}
}

// Reload changes the bounds of a running service.
func TestReload_bounds(t *testing.T) {
	dir := host(t, "")
	m := testkit.ListenAsManager(t, dir)
	conf := filepath.Join(dir, "eventsvc.toml")
	address := "unix:" + filepath.Join(dir, "s")
	lines := fmt.Sprintf("listen = %q\nlog-file = %q\ndbus = \"none\"\n", address, filepath.Join(dir, "log"))
	writeFile(t, conf, lines)
	c := process(t, "serve", "--config", conf)
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Path)
	errs := startServe(t, c)
	m.Await("READY=1")
	for range 2 { // they stay
		held, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		// It is served, so it has been counted.
		fmt.Fprint(held, `{"method":"io.systemd.service.Ping"}`+"\x00")
		if _, err := held.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		most, code int
	}{{2, exitError}, {3, exitOK}} {
		writeFile(t, conf, lines+fmt.Sprintf("max-connections = %d\n", test.most))
		c.Process.Signal(syscall.SIGHUP)
		m.Await("RELOADING=1")
		m.Await("READY=1")
		_, stderr, code := runIn(t.Context(), "status", "--address", address)
		if code != test.code {
			t.Errorf("with at most %d connections a third ends with %d: %s", test.most, code, stderr)
		}
	}
	writeFile(t, conf, lines+"max-connections = 1\n")
	c.Process.Signal(syscall.SIGHUP)
	errs.expect(t, "cannot use --max-connections 1: must be at least 2 (max-connections is set in "+conf+":4)")
	c.Process.Signal(syscall.SIGTERM)
	checkCode(t, exitOf(t, c), exitOK)
}

// --check-config fails where a start would.
func TestCheckConfig_failsAsStart(t *testing.T) {
	host(t, "")
	_, stderr, code := runIn(t.Context(), "serve", "--check-config", "--config", "/dev/null", "--backend", "journald")
	if (daemon.Store{Backend: events.Journald}).Supported() == nil {
		checkCode(t, code, exitOK)
		return
	}
	checkCode(t, code, exitError)
	if !strings.HasPrefix(stderr, "eventsvc: cannot read the journal (") {
		t.Errorf("it says %q", stderr)
	}
}

// Files of the host are not for a process of one client.
func TestSettings_processOfOneClient(t *testing.T) {
	dir := host(t, "")
	conf := filepath.Join(dir, "eventsvc.toml")
	writeFile(t, conf, "listen = \"unix:/x\"\ndbus = \"system\"\nexit-idle-time = \"10m\"\nmetrics = \"unix:/m\"\nallow-read = \"1\"\n")
	a := &app{name: "eventsvc", stdout: io.Discard, stderr: io.Discard}
	flags := a.serveCommand().Flags()
	if err := flags.Parse([]string{"--config", conf, "--dbus", "none"}); err != nil {
		t.Fatal(err)
	}
	set, err := readOptions(flags, config.Host(), flags.Lookup(configFlag).Value.String())
	if err != nil {
		t.Fatal(err)
	}
	new(serveFlags).forOne(set)
	for name, want := range map[string]string{"listen": "", "exit-idle-time": "0", "metrics": "", "dbus": "none", "allow-read": "1"} {
		check(t, name, textOf(flags.Lookup(name)), want)
	}
}

// A list of filters without one would publish everything.
func TestForward_noFilters(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "forward.toml")
	writeFile(t, conf, "to = \"nats://h\"\nfilter = []\n")
	_, stderr, code := runIn(t.Context(), "forward", "--config", conf, "--check-config")
	checkCode(t, code, exitError)
	check(t, "stderr", stderr, "eventsvc: cannot use filter in "+conf+":2: the list is empty, which would mean all events; give a filter, or leave the key out; correct the file\n")
}

// What cannot be meant is refused by --check-config of forward and collect, and what is
// not there is warned of.
func TestFleet_checkConfig(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "fleet.toml")
	forward, collect := []string{"forward", "--to", "nats://h", "--host", "h1"}, []string{"collect", "--from", "nats://h", "--log", dir + "/log"}
	for name, test := range map[string]struct {
		command    []string
		text, want string
	}{
		"metrics":      {forward, "metrics = \"0\"\n", "(metrics is set in " + conf + ":1)"},
		"address":      {forward, "address = \"0\"\n", `cannot use address "0"`},
		"replicas":     {forward, "create = true\nreplicas = 0\n", "cannot use --replicas 0"},
		"credentials":  {forward, "creds = \"h7.creds\"\n", "the path of \"h7.creds\" is relative"},
		"metrics, too": {collect, "metrics = \"0\"\n", "(metrics is set in " + conf + ":1)"},
		"certificates": {collect, "tls-ca = \"~/ca\"\n", "the path of \"~/ca\" is relative"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, conf, test.text)
			_, stderr, code := runIn(t.Context(), append(test.command, "--config", conf, "--check-config")...)
			checkCode(t, code, exitError)
			if !strings.Contains(stderr, test.want) {
				t.Errorf("it says %q, and not %q", stderr, test.want)
			}
		})
	}
	for _, option := range []string{"creds", "nkey", "tls-ca"} { // may be there when the service is started
		writeFile(t, conf, option+" = \"/nowhere/at-all\"\n")
		for _, command := range [][]string{forward, collect} {
			stdout, _, code := runIn(t.Context(), append(command, "--config", conf, "--check-config")...)
			checkCode(t, code, exitOK)
			if !strings.Contains(stdout, "warning: cannot use the ") {
				t.Errorf("%s of %s: it warns not: %q", option, command[0], stdout)
			}
		}
	}
}

// The configuration is shown without the passwords in it.
func TestDescribe_passwords(t *testing.T) {
	stdout, stderr, code := runIn(t.Context(), "forward", "--host", "h1", "--to", "nats://user:secret@host:4222,nats://two:hidden@b", "--check-config")
	checkCode(t, code, exitOK)
	if all := stdout + stderr; strings.Contains(all, "secret") || strings.Contains(all, "hidden") || !strings.Contains(stdout, "nats://user:xxxxx@host:4222") {
		t.Errorf("got %s%s", stdout, stderr)
	}
}
