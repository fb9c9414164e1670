package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// A service that listens by itself, and not through systemd's socket, leaves
// nothing to connect to when it ends.
func TestThePythonRecipeGoesOnBehindAServiceThatWasKilled(t *testing.T) {
	modules := filepath.Join(trixie(t), "usr", "lib", "python3", "dist-packages")
	d := startDaemon(t)
	recipe := exec.Command("/usr/bin/python3", "../docs/recipes/follow.py", filepath.Join(d.dir, "cursor"), "unix:"+d.socket)
	recipe.Env = append(os.Environ(), "PYTHONPATH="+modules, "PYTHONDONTWRITEBYTECODE=1")
	printed, errs := new(testkit.Buffer), new(testkit.Buffer)
	recipe.Stdout, recipe.Stderr = printed, errs
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
				t.Fatalf("%s is missing: it printed %q\n%s", what, printed, errs)
			}
		}
	}
	place := func() string { b, _ := os.ReadFile(filepath.Join(d.dir, "cursor")); return string(b) }
	ends := func(name string) {
		t.Helper()
		e := events.NewEvent(events.Exited)
		e.Type, e.Name = events.Container, name
		cursor, err := d.client().WriteEvent(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		// Once it has all of the past, the cursor says in which file, too.
		await("the end of "+name, func() bool { return strings.HasPrefix(place(), cursor) })
	}
	await("the cursor file", func() bool { return place() != "" })
	ends("one")
	d.kill()
	await("a word about the service", func() bool { return strings.Contains(errs.String(), "trying again") })
	_ = os.Remove(d.socket)
	d.start()
	ends("two")
	d.stop()
	d.start()
	ends("three")
	if got := printed.String(); got != "one None\ntwo None\nthree None\n" {
		t.Errorf("it printed %q\n%s", got, errs)
	}
}
