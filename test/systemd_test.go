package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// varlinkctl runs the real varlinkctl, and returns its output.
func varlinkctl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := peer(t, "varlinkctl.sh", args...).CombinedOutput()
	return string(out), err
}

// varlinkctl works with this service as with those of systemd.
func TestVarlinkctl_asWithSystemd(t *testing.T) {
	d := startDaemon(t)
	address := "unix:" + d.socket
	info, err := varlinkctl(t, "info", address)
	if err != nil || !strings.Contains(info, "io.systemd.service") {
		t.Errorf("info: %v\n%s", err, info)
	}
	idl := filepath.Join(d.dir, "io.systemd.service.varlink")
	text, err := varlinkctl(t, "introspect", address, "io.systemd.service")
	if err != nil {
		t.Fatalf("introspect: %v\n%s", err, text)
	}
	if err := os.WriteFile(idl, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := varlinkctl(t, "validate-idl", idl); err != nil {
		t.Errorf("validate-idl: %v\n%s", err, out)
	}
	for _, test := range []struct{ method, parameters, want string }{
		{"Ping", "{}", "{}"},
		{"SetLogLevel", `{"level":7}`, "{}"},
		{"Reload", "{}", "{}"},
		{"GetEnvironment", "{}", "PATH="},
	} {
		out, err := varlinkctl(t, "call", address, "io.systemd.service."+test.method, test.parameters)
		if err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%s: %v\n%s", test.method, err, out)
		}
	}
	if log := d.stderr.String(); !strings.Contains(log, "the log level was set") || !strings.Contains(log, "read the configuration again") {
		t.Errorf("the log does not mention it:\n%s", log)
	}
}

// TestVarlinkctl_ssh uses a shell in place of ssh: it runs the command for the far
// side, as sshd does.
func TestVarlinkctl_ssh(t *testing.T) {
	dir := testkit.ShortDir(t)
	log := filepath.Join(dir, "events.log")
	appendTo(t, log, `{"Name":"far","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"volume"}`+"\n")
	conf := filepath.Join(dir, "containers.conf")
	appendTo(t, conf, "[engine]\nevents_logger = \"file\"\nevents_logfile_path = \""+log+"\"\n")
	ssh := filepath.Join(dir, "ssh")
	// Options first, then the host, then the command, which a shell runs.
	script := "#!/bin/sh\necho \"$@\" >" + dir + "/args\nwhile [ \"$1\" != far.example ]; do shift; done\nshift\nexec sh -c \"$*\"\n"
	if err := os.WriteFile(ssh, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	c := peer(t, "varlinkctl.sh", "call", "ssh-exec:far.example:"+binary, "io.podman.events.GetLastEvent", "{}")
	c.Env = append(os.Environ(), "SYSTEMD_SSH="+ssh, "CONTAINERS_CONF="+conf)
	out, err := c.CombinedOutput()
	args, _ := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.Contains(string(out), `"far"`) {
		t.Errorf("%v\n%s\nssh got %s", err, out, args)
	}
	if !strings.Contains(string(args), "SYSTEMD_VARLINK_LISTEN=-") {
		t.Errorf("ssh got %s: this varlinkctl does not say how it wants to be served", args)
	}
}
