package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

func lineOf(name string) string { return imitate.Line(name, time.Now()) + "\n" }

func namesOf(all []event) string {
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// nextEvent returns the name of the next event, or the error that came instead.
func (w *wire) nextEvent(t *testing.T) string {
	t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		r, err := w.recv()
		switch {
		case err != nil:
			t.Fatal(err)
		case r.Error != "":
			return r.Error
		case r.Parameters.Event != nil:
			return r.Parameters.Event.Name
		}
	}
}

// A line that is not an event is skipped, and counted with its position.
func TestLog_notAnEvent(t *testing.T) {
	d := newDaemon(t)
	// One is delivered without its labels, the other is skipped.
	long := func(name string, label int) string {
		return fmt.Sprintf(`{"Name":%q,"Status":"create","Time":"2026-11-23T12:00:00Z","Type":"volume","Attributes":{"a":%q}}`+"\n",
			name, strings.Repeat("x", label))
	}
	for i, bad := range []string{
		"garbage\n", "{}\n", "[1,2]\n", "\x00\x00\x00\n", "{\"Name\":\"half\n", `{"Name":1,"Status":"a","Time":"2026-11-23T12:00:00Z","Type":"b"}` + "\n",
		`{"Name":"t","Status":"a","Time":"yesterday","Type":"b"}` + "\n", strings.Repeat("{", 10000) + "\n", "\xff\xfe\n",
	} {
		appendTo(t, d.log, lineOf(fmt.Sprintf("v%d", i))+bad)
	}
	appendTo(t, d.log, long("long", 1<<20)+long("longer", 5<<20))
	appendTo(t, d.log, `{"Name":"new","Status":"frobnicate","Time":"2026-11-23T12:00:00+02:00","Type":"gadget","Shape":[1]}`+"\n")
	appendTo(t, d.log, `{"Name":"torn`)
	d.start()
	for range 2 {
		all := d.history(nil)
		if got := namesOf(all); got != "v0 v1 v2 v3 v4 v5 v6 v7 v8 long new" {
			t.Fatalf("got %s", got)
		}
		last := all[len(all)-1]
		if last.Type != "unknown" || last.Status != "unknown" || last.RawType != "gadget" || last.RawStatus != "frobnicate" ||
			last.Time != "2026-11-23T10:00:00.000000000Z" {
			t.Errorf("words of a newer Podman: %+v", last)
		}
	}
	if got := namesOf(d.history(params{"filters": []string{"status=raw:frobnicate", "type=raw:gadget"}})); got != "new" {
		t.Errorf("filtered by new words: %s", got)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Skipped != 11 || !strings.Contains(s.LastSkipped, "byte") {
		t.Errorf("%d skipped, the last is %s", s.Skipped, s.LastSkipped)
	}
}

// A log that cannot be read is reported as a fault until it can be read again.
func TestLog_unreadable(t *testing.T) {
	d := newDaemon(t)
	if err := os.Mkdir(d.log, 0o700); err != nil {
		t.Fatal(err)
	}
	d.start()
	for _, method := range []string{"GetEvents", "GetLastEvent"} {
		if r := d.call(method, nil); r.Error != "io.podman.events.BackendUnavailable" || r.Parameters.Reason == "" {
			t.Errorf("%s of a directory: %+v", method, r)
		}
	}
	if s := d.call("GetStatus", nil).Parameters; s.Fault == "" {
		t.Error("the fault is not in the status")
	}
	if err := os.Remove(d.log); err != nil {
		t.Fatal(err)
	}
	w := d.subscribe(nil)
	appendTo(t, d.log, lineOf("after"))
	if got := w.nextEvent(t); got != "after" {
		t.Errorf("got %s", got)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Fault != "" {
		t.Errorf("the fault stays: %s", s.Fault)
	}
}

// A log that is created, deleted and replaced is followed.
func TestLog_comesAndGoes(t *testing.T) {
	d := newDaemon(t)
	if d.unit == nil {
		d.log = filepath.Join(d.dir, "not", "yet", "events.log")
	} else if err := os.RemoveAll(filepath.Dir(d.log)); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(filepath.Dir(filepath.Dir(d.log)), "moved")
	defer os.Remove(moved)
	d.start()
	if all := d.history(nil); len(all) != 0 {
		t.Fatalf("a log that does not exist has %d events", len(all))
	}
	w := d.subscribe(nil)
	n := 0
	step := func(what string, change func()) {
		t.Helper()
		change()
		n++
		name := fmt.Sprintf("v%d", n)
		appendTo(t, d.log, lineOf(name))
		if got := w.nextEvent(t); got != name {
			t.Fatalf("%s: got %s, want %s", what, got, name)
		}
	}
	step("created", func() { _ = os.MkdirAll(filepath.Dir(d.log), 0o700) })
	step("deleted", func() { _ = os.Remove(d.log) })
	step("moved by logrotate", func() { _ = os.Rename(d.log, d.log+".1") })
	step("moved to another directory", func() { _ = os.Rename(d.log, moved) })
	step("replaced by an empty file", func() {
		_ = os.WriteFile(d.log+".new", nil, 0o600)
		_ = os.Rename(d.log+".new", d.log)
	})
	if all := namesOf(d.history(nil)); all != fmt.Sprintf("v%d", n) {
		t.Errorf("the log has %s", all)
	}
}

// A log that is truncated in place is reported as a loss.
func TestLog_truncated(t *testing.T) {
	d := newDaemon(t)
	appendTo(t, d.log, lineOf("a")+lineOf("b"))
	d.start()
	w := d.subscribe(nil)
	if err := os.Truncate(d.log, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, d.log, lineOf("c"))
	if got := w.nextEvent(t); got != "io.podman.events.CursorExpired" {
		t.Errorf("got %s", got)
	}
	if got := namesOf(d.history(nil)); got != "c" {
		t.Errorf("the log has %s", got)
	}
}
