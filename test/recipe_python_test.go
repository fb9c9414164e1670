package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// If the service listens by itself, and not through systemd's socket, clients cannot
// connect after it has exited.
func TestRecipes_python(t *testing.T) {
	d := startDaemon(t)
	cursor := filepath.Join(d.dir, "cursor")
	recipe := peer(t, "pyvarlink.sh", "--run", "../docs/recipes/follow.py", cursor, "unix:"+d.socket)
	// Into files, which need no goroutine of the test.
	output := func(name string) (file *os.File, read func() string) {
		t.Helper()
		file, err := os.Create(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		return file, func() string { b, _ := os.ReadFile(file.Name()); return string(b) }
	}
	out, printed := output("out")
	failed, errs := output("err")
	recipe.Stdout, recipe.Stderr = out, failed
	if err := recipe.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = recipe.Process.Kill()
		_ = recipe.Wait()
	})
	await := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is missing: it printed %q\n%s", what, printed(), errs())
			}
		}
	}
	kept := func() string { b, _ := os.ReadFile(cursor); return string(b) }
	ends := func(name string) {
		t.Helper()
		e := events.NewEvent(events.Exited)
		e.Type, e.Name = events.Container, name
		place, err := d.client().WriteEvent(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		// After the whole history, the cursor also names the file.
		await("the end of "+name, func() bool { return strings.HasPrefix(kept(), place) })
	}
	await("the cursor file", func() bool { return kept() != "" })
	ends("one")
	d.kill()
	await("a word about the service", func() bool { return strings.Contains(errs(), "trying again") })
	_ = os.Remove(d.socket)
	d.start()
	ends("two")
	d.stop()
	d.start()
	ends("three")
	if got := printed(); got != "one 0\ntwo 0\nthree 0\n" {
		t.Errorf("it printed %q\n%s", got, errs())
	}
	// A lost position is reported, and the remaining events are read from the start.
	d.stop()
	if err := os.Remove(d.log); err != nil {
		t.Fatal(err)
	}
	appendTo(t, d.log, `{"ID":"a1","Image":"i","Name":"four","Status":"died","Time":"2026-11-23T12:00:00Z","Type":"container"}`+"\n")
	d.start()
	await("what is in the new log", func() bool { return strings.HasSuffix(printed(), "three 0\nfour 0\n") })
	if !strings.Contains(errs(), "events were lost") {
		t.Errorf("it says %q", errs())
	}
}
