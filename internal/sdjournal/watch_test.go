//go:build systemd && cgo

package sdjournal

import (
	"path/filepath"
	"testing"
	"time"
)

// TestWatch_wakes: a follower is woken by an entry that matches, by a file that
// appears, and by being poked.
func TestWatch_wakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "system.journal")
	var x export
	x.numbered(3)
	x.into(t, file)
	j, err := Open(Options{Directory: dir, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	w, err := j.Watch(5 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, change := range []func(){
		func() { w.Poke(true) },
		func() { x.entry(only); x.into(t, file) },
		func() { x.entry(only); x.into(t, filepath.Join(dir, "user-1000.journal")) },
	} {
		w.Refresh()
		change()
		w.Wait() // for ever, if it is not woken
	}
}
