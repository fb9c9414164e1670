package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestReload_takesRightsBack: when a right is revoked, the calls that it allowed end, on
// every interface, before the next event.
func TestReload_takesRightsBack(t *testing.T) {
	needRoot(t)
	needGLib(t)
	bus := testkit.StartBus(t, buspolicy.System(t))
	d := newDaemon(t, "--dbus", bus.Address())
	d.openToAll()
	const daemonUser = 1 // dbus-daemon takes only users that there are
	settings := filepath.Join(d.dir, "eventsvc.toml")
	write := func(allowed string) {
		if err := os.WriteFile(settings, []byte("allow-read = ["+allowed+"]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("%q", fmt.Sprint(daemonUser)))
	socket := filepath.Join(d.dir, "open")
	d.args = append(d.args, "--config", settings, "--listen", "unix:"+socket+",mode=0666")
	appendTo(t, d.log, lineOf("before"))
	d.start()
	awaitName(t, bus)

	follower := exec.CommandContext(t.Context(), "/usr/bin/python3", "revoked.py", socket, bus.Address())
	follower.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: daemonUser, Gid: daemonUser}}
	out, err := follower.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	follower.Stderr = os.Stderr
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Process.Kill(); _ = follower.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the follower says %q\n%s", lines.Text(), d.said())
	}
	write("")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.awaitLog("read the configuration again")
	appendTo(t, d.log, lineOf("after"))
	if !lines.Scan() {
		t.Fatalf("the follower did not end\n%s", d.said())
	}
	got := map[string][]any{}
	if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, lines.Text())
	}
	for way, ended := range got {
		if name, _ := ended[1].(string); !slices.Equal(ended[0].([]any), []any{"before"}) || !strings.HasSuffix(name, "PermissionDenied") && !strings.HasSuffix(name, "AccessDenied") && !strings.HasSuffix(name, "ErrorOccurred") {
			t.Errorf("%s: %q", way, ended)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d of 4 ways ended: %s", len(got), lines.Text())
	}
}
