// This project cannot install the real client, so its test is built only on request:
//
//	EVENTSVC_PODMAN_REMOTE=/path/to/podman-remote go test -tags podmanremote ./test -run RealOldClient

//go:build podmanremote

package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// legacyReal runs the real podman-remote 1.x that EVENTSVC_PODMAN_REMOTE names.
func legacyReal(t *testing.T, dir string, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	program := os.Getenv("EVENTSVC_PODMAN_REMOTE")
	if program == "" {
		t.Skip("there is no podman-remote 1.x: name one in EVENTSVC_PODMAN_REMOTE")
	}
	cmd := exec.CommandContext(within(t, legacyPatience), program, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = append([]string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// The real old client is served in each way that it can connect.
func TestLegacy_realClient(t *testing.T) {
	d, old := startLegacy(t)
	for _, road := range []struct {
		name string
		env  []string
		args []string
	}{
		{"its socket", []string{"PODMAN_VARLINK_ADDRESS=unix:" + old}, nil},
		{"a bridge", []string{
			"PODMAN_VARLINK_BRIDGE=ssh host " + binary + " bridge --address unix:" + d.socket,
			"PATH=" + legacySSH(t, "/nowhere") + ":" + os.Getenv("PATH"),
		}, nil},
		{
			"ssh, as it starts it by itself",
			[]string{"PATH=" + legacySSH(t, legacyShim(t, d)) + ":" + os.Getenv("PATH")},
			[]string{"--remote-host", "host", "--username", "me"},
		},
	} {
		t.Run(road.name, func(t *testing.T) {
			code, stdout, stderr := legacyReal(t, d.dir, road.env, append(road.args, legacyPast...)...)
			if code != 0 || stdout != legacyLines(t) || stderr != "" {
				t.Errorf("exit code %d, stderr %q, stdout\n%s", code, stderr, stdout)
			}
			code, stdout, stderr = legacyReal(t, d.dir, road.env, append(road.args, "version")...)
			if code != 0 || !strings.Contains(stdout, "\nServer:\n") || stderr != "" {
				t.Errorf("exit code %d, stderr %q, stdout\n%s", code, stderr, stdout)
			}
			code, stdout, stderr = legacyReal(t, d.dir, road.env, append(road.args, "ps")...)
			if code != 125 || stdout != "" || !strings.Contains(stderr, "org.varlink.service.MethodNotImplemented") {
				t.Errorf("exit code %d, stderr %q, stdout\n%s", code, stderr, stdout)
			}
		})
	}
}
