//go:build systemd

package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestViewOfAJournal_onEveryInterface: what another user writes into the journal reaches
// root only on request: not in a history, a follower, a command or a broadcast without it.
func TestViewOfAJournal_onEveryInterface(t *testing.T) {
	r := startRoom(t)
	needGLib(t)
	bus := testkit.StartBus(t, buspolicy.Session)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", bus.Address()) // there events are broadcast
	d := r.startDaemon("--dbus", bus.Address())
	awaitName(t, bus)
	broadcast := broadcastNames(t, bus.Address())
	followed := d.subscribe(params{})
	ran := filepath.Join(d.dir, "ran")
	hook := exec.Command(binary, "exec", "--address", "unix:"+d.socket, "--cursor-file", ran+".cursor", "--",
		"sh", "-c", "echo $EVENTSVC_NAME $EVENTSVC_UID >>"+ran)
	var said bytes.Buffer
	hook.Stderr = &said
	if err := hook.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hook.Process.Kill(); _ = hook.Wait() })
	comes(t, "the subscription of exec", func() bool { _, err := os.Stat(ran + ".cursor"); return err == nil })

	// The fields that Podman writes do not count: fields such as PODMAN_UID and _UID that
	// the sender includes are the sender's choice.
	forged := with(with(podmanEntry("forged", time.Now()), "UID", "0"), "PODMAN_UID", "0")
	r.writers("own", []int{0}, 1, 1000)()
	r.writers("other", []int{1234}, 1, 1000)()
	r.sendAs(1234, forged)
	r.send(podmanEntry("end", time.Now()))

	own, all := []string{"own0-0", "end"}, []string{"own0-0", "other0-0", "forged", "end"}
	wantViewed(t, d.viewed(bus.Address(), false), own...)
	wantViewed(t, d.viewed(bus.Address(), true), all...)
	if got := broadcast(); !slices.Equal(got, own) {
		t.Errorf("broadcast: %q", got)
	}
	for i, want := range own {
		e, err := followed.recv()
		if err != nil || e.Parameters.Event == nil || e.Parameters.Event.Name != want {
			t.Fatalf("event %d of a follower is %+v, %v", i, e, err)
		}
	}
	comes(t, "the last command", func() bool { b, _ := os.ReadFile(ran); return bytes.Contains(b, []byte("end")) })
	if b, _ := os.ReadFile(ran); string(b) != "own0-0 0\nend 0\n" {
		t.Errorf("commands ran for %q\n%s", b, said.String())
	}
	out, err := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--stream=false", "--all-users").Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 4 || !strings.HasSuffix(lines[0], " own0-0 user=root") || !strings.HasSuffix(lines[2], " forged user=1234") {
		t.Errorf("--all-users prints %q, %v", lines, err)
	}
}

// sendAs sends an entry as another user.
func (r *room) sendAs(uid int, entry map[string]string) {
	r.t.Helper()
	cmd := exec.Command("setpriv", "--reuid", strconv.Itoa(uid), "--clear-groups", "/usr/bin/python3", "-c",
		"import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.connect(sys.argv[1]); s.send(sys.stdin.buffer.read())", r.socket())
	cmd.Stdin = bytes.NewReader(encodeEntry(entry))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("sending as uid %d: %v\n%s", uid, err, out)
	}
	r.settle()
}
