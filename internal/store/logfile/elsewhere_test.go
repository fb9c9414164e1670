package logfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A log is followed that is written by a path in another directory.
func TestFollow_writtenByAnotherPath(t *testing.T) {
	for name, link := range map[string]func(t *testing.T, written, read string){
		"a second name": func(t *testing.T, written, read string) {
			t.Helper()
			if err := os.Link(written, read); err != nil {
				t.Skipf("no second name can be made here: %v", err)
			}
		},
		// As in a container that only has the log mounted.
		"a mount of the file": func(t *testing.T, written, read string) {
			t.Helper()
			if os.Geteuid() != 0 {
				t.Skip("a mount takes root")
			}
			appendTo(t, read, "")
			if out, err := exec.Command("mount", "--bind", written, read).CombinedOutput(); err != nil {
				t.Skipf("nothing can be mounted here: %v: %s", err, out)
			}
			t.Cleanup(func() {
				if out, err := exec.Command("umount", "--lazy", read).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			written := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, written, linesOf(0, 2))
			read := filepath.Join(t.TempDir(), "log")
			link(t, written, read)
			w := open(t, read, Options{})
			for n := 2; n < 10; n++ { // each wakes the follower
				appendTo(t, written, lineOf(n))
				equal(t, "followed", w.names(n-1), namesOf(2, n+1))
			}
		})
	}
}
