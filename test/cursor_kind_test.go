//go:build systemd

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestCursor_ofTheFormerStore: a host's Podman switches from the log file to the
// journal, and back. A client with an older cursor gets an error that it has expired,
// and can continue from the oldest event.
func TestCursor_ofTheFormerStore(t *testing.T) {
	r := startRoom(t)
	r.send(podmanEntry("in the journal", time.Now()))
	journal, file := r.startDaemon(), newDaemon(t)
	file.start()
	w, err := dial(file.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if _, err := w.write("in the file"); err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		from, to *daemon
		has      string
	}{{file, journal, "in the journal"}, {journal, file, "in the file"}} {
		cursors := []string{change.from.history(nil)[0].Cursor, change.from.call("GetEvents", nil).Parameters.Cursor}
		for _, cursor := range cursors {
			for _, method := range []string{"GetEvents", "Subscribe"} {
				w, err := dial(change.to.socket)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.send(method, params{"after": cursor}, method == "Subscribe"); err != nil {
					t.Fatal(err)
				}
				reply, err := w.recv()
				if err != nil || reply.Error != "io.podman.events.CursorExpired" {
					t.Fatalf("%s after %s: %+v, %v", method, cursor, reply, err)
				}
				if all := change.to.listed(client.Query{After: reply.Parameters.Oldest}); len(all) != 1 || all[0].Name != change.has {
					t.Errorf("after 'oldest' are %+v", all)
				}
				w.close()
			}
			kept := filepath.Join(testkit.ShortDir(t), "cursor")
			if err := os.WriteFile(kept, []byte(cursor+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			command := func(options ...string) (string, int) {
				cmd := exec.Command(binary, append([]string{"events", "--address", "unix:" + change.to.socket, "--stream=false", "--cursor-file", kept}, options...)...)
				out, _ := cmd.CombinedOutput()
				return string(out), cmd.ProcessState.ExitCode()
			}
			const expired = 10
			if out, code := command(); code != expired {
				t.Errorf("the command ended with %d: %s", code, out)
			}
			if out, code := command("--if-expired", "oldest"); code != 0 || !strings.Contains(out, change.has) {
				t.Errorf("with --if-expired oldest it ended with %d: %s", code, out)
			}
		}
		for _, bad := range []string{cursors[0][:20], cursors[0] + "x", strings.Replace(cursors[0], cursors[0][5:6], "!", 1), "f", "j", "nonsense"} {
			if reply := change.to.call("GetEvents", params{"after": bad}); reply.Error != "io.podman.events.InvalidCursor" {
				t.Errorf("after %q: %+v", bad, reply)
			}
		}
	}
}
