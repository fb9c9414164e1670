//go:build systemd

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJournal_vacuum(t *testing.T) {
	r := startRoom(t)
	r.flush()
	d := r.startDaemon()
	follower := d.subscribe(nil)
	write := func(from, to int) {
		t.Helper()
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		for i := from; i < to; i++ {
			if _, err := w.write(fmt.Sprintf("w-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(0, 20)
	old := d.history(nil)[9].Cursor
	r.rotate()
	r.settle()
	write(20, 40)
	kept := d.history(nil)[29].Cursor
	if n := len(d.history(params{"after": old})); n != 30 {
		t.Errorf("after the tenth event are %d of 30", n)
	}
	r.run("journalctl", "-q", "--vacuum-files=1")
	write(40, 60)
	left := 40
	for _, when := range []string{"running", "restarted"} {
		reply := d.call("GetEvents", params{"after": old})
		if reply.Error != "io.podman.events.CursorExpired" || reply.Parameters.Oldest == "" {
			t.Fatalf("%s, after an event that is gone: %+v", when, reply)
		}
		if n := len(d.history(params{"after": reply.Parameters.Oldest})); n != left {
			t.Errorf("%s, after 'oldest' are %d events of %d", when, n, left)
		}
		if n := len(d.history(params{"after": kept})); n != 30 {
			t.Errorf("%s, after an event that is kept are %d of 30", when, n)
		}
		if when == "running" {
			write(60, 61)
			left++
			got, err := follower.collect(func(e *event) bool { return e.Name == "w-60" })
			if n, missed, repeated, _, _ := sequences(got); err != nil || n != 61 || missed+repeated != 0 {
				t.Errorf("the follower got %d events of 61: %v", n, err)
			}
			d.stop()
			d.start()
			kept = d.history(nil)[len(d.history(nil))-31].Cursor
		}
	}
}

// TestJournal_vacuumUnderReader removes files that a reader of history has not reached
// yet. The reader gets all events, or an error that some are lost.
func TestJournal_vacuumUnderReader(t *testing.T) {
	r := newRoom(t)
	const entries = 200_000
	importGenerated(t, entries, filepath.Join(r.dir, "var", hostMachineID(t)))
	d := r.startDaemon()
	for _, p := range []params{{"fromStart": true}, {"fromStart": true, "filters": []string{"status=died", "status=start"}}} {
		all := d.history(params{"filters": p["filters"]})
		w := d.subscribe(p)
		var got []event
		for len(got) < 10 {
			reply, err := w.recv()
			if err != nil {
				t.Fatal(err)
			}
			if reply.Parameters.Event != nil {
				got = append(got, *reply.Parameters.Event)
			}
		}
		r.run("journalctl", "-q", "--vacuum-files=2")
		told := ""
		for told == "" {
			_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
			reply, err := w.recv()
			switch {
			case err != nil:
				t.Fatalf("after %d events: %v", len(got), err)
			case reply.Error != "":
				told = reply.Error
			case reply.Parameters.Live:
				told = "live"
			case reply.Parameters.Event != nil:
				got = append(got, *reply.Parameters.Event)
			}
		}
		t.Logf("%d of %d events, then %s", len(got), len(all), told)
		for i := range got {
			if got[i].Cursor != all[i].Cursor {
				t.Fatalf("event %d is not the one that it was", i)
			}
		}
		if (told == "live") != (len(got) == len(all)) || told != "live" && told != "io.podman.events.CursorExpired" {
			t.Errorf("after %d of %d events the reader got %q", len(got), len(all), told)
		}
		w.close()
	}
}

// TestJournal_vacuumOfOneUser removes a user's rotated file, and none of the system's, as
// a journald does that rotates and vacuums each file by itself.
func TestJournal_vacuumOfOneUser(t *testing.T) {
	r := startRoom(t)
	r.flush()
	d := r.startDaemon()
	follower := d.subscribe(everyUser)
	write := func(name string, uid int) {
		t.Helper()
		r.writers(name, []int{uid}, 10, 1000)()
		r.settle()
	}
	write("root", 0)
	write("first", 1000)
	old := d.history(everyUser)[9].Cursor
	r.rotate()
	r.settle()
	write("second", 1000)
	kept := d.history(everyUser)[29].Cursor
	write("new", 1001)
	if n := len(d.history(params{"allUsers": true, "after": old})); n != 30 {
		t.Errorf("after an event that was there before a user was are %d of 30", n)
	}
	gone, err := filepath.Glob(filepath.Join(r.dir, "var", hostMachineID(t), "user-1000@*.journal"))
	if err != nil || len(gone) != 1 {
		t.Fatalf("the files that were rotated are %q: %v", gone, err)
	}
	if err := os.Remove(gone[0]); err != nil {
		t.Fatal(err)
	}
	// If a journald numbers the files of all users alike, the numbers do not show that a
	// user's file had a predecessor.
	shared := strings.Count(r.run("sh", "-c", "journalctl --header --file '/var/log/journal/*/*.journal' | grep -i 'sequential number ID' | sort -u"), "\n") == 1
	for more, when := range []string{"running", "restarted"} {
		if reply := d.call("GetEvents", params{"allUsers": true, "after": old}); !(shared && when == "restarted") && reply.Error != "io.podman.events.CursorExpired" {
			t.Errorf("%s, after an event that others came after that are gone: %q", when, reply.Error)
		}
		if n := len(d.history(params{"allUsers": true, "after": kept})); n != 10+more {
			t.Errorf("%s, after an event that all is there of are %d of %d", when, n, 10+more)
		}
		if n := len(d.history(everyUser)); n != 30+more {
			t.Errorf("%s, %d events are left of %d", when, n, 30+more)
		}
		if when == "running" {
			r.send(podmanEntry("last", time.Now()))
			got, err := follower.collect(func(e *event) bool { return e.Name == "last" })
			if err != nil || len(got) != 41 {
				t.Errorf("the follower got %d events of 41: %v", len(got), err)
			}
			d.stop()
			d.start()
		}
	}
}
