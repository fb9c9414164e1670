//go:build systemd

package test

import (
	"os/exec"
	"testing"
	"time"
)

// TestJournalSubscribe_badCursor: a stream that cannot begin ends with the same error as
// a page, over Varlink and in the command.
func TestJournalSubscribe_badCursor(t *testing.T) {
	r := startRoom(t)
	r.flush()
	r.send(podmanEntry("a", time.Now()))
	d := r.startDaemon()
	old := d.history(nil)[0].Cursor
	r.rotate()
	r.settle()
	r.send(podmanEntry("b", time.Now()))
	r.run("journalctl", "-q", "--vacuum-files=1")
	for _, when := range []string{"running", "restarted"} {
		for cursor, want := range map[string]string{"nonsense": "InvalidCursor", old[:len(old)-1] + "!": "InvalidCursor", old: "CursorExpired"} {
			w, err := dial(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.send("Subscribe", params{"after": cursor}, true); err != nil {
				t.Fatal(err)
			}
			if reply, err := w.recv(); err != nil || reply.Error != "io.podman.events."+want || want == "CursorExpired" && reply.Parameters.Oldest == "" {
				t.Errorf("%s, Subscribe after %q: %+v, %v; want %s", when, cursor, reply, err, want)
			}
			w.close()
		}
		follow := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--after-cursor", old, "--if-expired", "oldest", "--until", "200ms")
		if out, err := follow.Output(); err != nil || len(out) == 0 {
			t.Errorf("%s, the command continues from the oldest event: %q, %v", when, out, err)
		}
		d.awaitNoSubscribers()
		d.stop()
		d.start()
	}
}
