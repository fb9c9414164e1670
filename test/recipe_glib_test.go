package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestGLibRecipe_killedServiceBeforeTheFirstMatch: the recipe prints events that happen
// while the service is down, even if it had no event before, and so no cursor of one.
func TestGLibRecipe_killedServiceBeforeTheFirstMatch(t *testing.T) {
	needRoot(t)
	needGLib(t)
	bus := testkit.StartBus(t, buspolicy.System(t))
	d := newDaemon(t, "--dbus", bus.Address())
	died := func(name string) string {
		return `{"ID":"a1","Image":"alpine","Name":"` + name + `","Status":"died","Time":"2026-11-23T12:00:00Z","Type":"container"}` + "\n"
	}
	appendTo(t, d.log, died("before"))
	d.start()
	awaitName(t, bus)
	recipe := exec.Command("/usr/bin/python3", "../docs/recipes/follow-glib.py")
	recipe.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address())
	out, err := os.Create(filepath.Join(d.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	recipe.Stdout, recipe.Stderr = out, out
	if err := recipe.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recipe.Process.Kill(); _ = recipe.Wait() })
	printed := func() string { b, _ := os.ReadFile(out.Name()); return string(b) }
	comes(t, "the subscription", func() bool { return strings.Contains(printed(), "ready\n") })
	d.kill()
	appendTo(t, d.log, died("meanwhile"))
	d.start()
	comes(t, "the event that came while the service was gone", func() bool { return strings.Contains(printed(), "meanwhile 0\n") })
	appendTo(t, d.log, died("after"))
	comes(t, "the next event", func() bool { return strings.Contains(printed(), "after 0\n") })
	if got := printed(); strings.Contains(got, "before") || strings.Count(got, "meanwhile") != 1 {
		t.Errorf("it printed %q", got)
	}
	// It continues when its position is lost while it follows, and when the log is missing
	// for a while.
	if err := os.Truncate(d.log, 0); err != nil {
		t.Fatal(err)
	}
	comes(t, "the loss", func() bool { return strings.Contains(printed(), "CursorExpired") })
	appendTo(t, d.log, died("cut"))
	comes(t, "what came after the cut", func() bool { return strings.Contains(printed(), "cut 0\n") })
	d.kill()
	if err := os.Rename(d.log, d.log+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.log, 0o700); err != nil {
		t.Fatal(err)
	}
	d.start()
	comes(t, "why it cannot subscribe", func() bool { return strings.Contains(printed(), "cannot subscribe") })
	if err := os.Remove(d.log); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(d.log+".away", d.log); err != nil {
		t.Fatal(err)
	}
	appendTo(t, d.log, died("readable"))
	comes(t, "what came once it could", func() bool { return strings.Contains(printed(), "readable 0\n") })
}
