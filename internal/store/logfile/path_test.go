package logfile

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// What counts is what the path names: whatever makes it name another file,
// followers get the events of that or an error, within a second and without that
// anything asks, and histories and writes are of that file.
func TestPath_namesAnotherFile(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Each makes TOP/a/b/events.log, or TOP/link…, name another file, which then has
	// the event 100.
	for name, try := range map[string]struct {
		path   string // in TOP
		before func(t *testing.T, top string)
		change func(t *testing.T, top string)
	}{
		"directory renamed": {path: "a/b/events.log", change: func(t *testing.T, top string) {
			must(t, os.Rename(top+"/a/b", top+"/a/x"))
			must(t, os.Mkdir(top+"/a/b", 0o700))
		}},
		"directory above renamed": {path: "a/b/events.log", change: func(t *testing.T, top string) {
			must(t, os.Rename(top+"/a", top+"/x"))
			must(t, os.MkdirAll(top+"/a/b", 0o700))
		}},
		"directories exchanged": {path: "a/b/events.log", change: func(t *testing.T, top string) {
			must(t, os.MkdirAll(top+"/x/b", 0o700))
			must(t, unix.Renameat2(unix.AT_FDCWD, top+"/a", unix.AT_FDCWD, top+"/x", unix.RENAME_EXCHANGE))
		}},
		"mounted over a directory above": {path: "a/b/events.log", change: func(t *testing.T, top string) {
			mount(t, "-t", "tmpfs", "t", top+"/a")
			must(t, os.Mkdir(top+"/a/b", 0o700))
		}},
		"mounted over the file": {path: "a/b/events.log", change: func(t *testing.T, top string) {
			appendTo(t, top+"/other", "")
			mount(t, "--bind", top+"/other", top+"/a/b/events.log")
		}},
		"link to a file replaced": {
			path:   "link",
			before: func(t *testing.T, top string) { must(t, os.Symlink("a/b/events.log", top+"/link")) },
			change: func(t *testing.T, top string) {
				appendTo(t, top+"/other", "")
				must(t, os.Symlink("other", top+"/new"))
				must(t, os.Rename(top+"/new", top+"/link"))
			},
		},
		"link to a file replaced by a file": {
			path:   "link",
			before: func(t *testing.T, top string) { must(t, os.Symlink("a/b/events.log", top+"/link")) },
			change: func(t *testing.T, top string) { rotate(t, top+"/link", 2) },
		},
		"file that a link leads to replaced": {
			path:   "link",
			before: func(t *testing.T, top string) { must(t, os.Symlink("a/b/events.log", top+"/link")) },
			change: func(t *testing.T, top string) { rotate(t, top+"/a/b/events.log", 0) },
		},
		"link to a directory replaced": {
			path:   "dir/events.log",
			before: func(t *testing.T, top string) { must(t, os.Symlink("a/b", top+"/dir")) },
			change: func(t *testing.T, top string) {
				must(t, os.Mkdir(top+"/x", 0o700))
				must(t, os.Symlink("x", top+"/new"))
				must(t, os.Rename(top+"/new", top+"/dir"))
			},
		},
		"link to a directory above replaced": {
			path:   "dir/b/events.log",
			before: func(t *testing.T, top string) { must(t, os.Symlink("a", top+"/dir")) },
			change: func(t *testing.T, top string) {
				must(t, os.MkdirAll(top+"/x/b", 0o700))
				must(t, os.Remove(top+"/dir"))
				must(t, os.Symlink("x", top+"/dir"))
			},
		},
		"link to a link replaced": {
			path: "link",
			before: func(t *testing.T, top string) {
				must(t, os.Symlink("second", top+"/link"))
				must(t, os.Symlink("a/b/events.log", top+"/second"))
			},
			change: func(t *testing.T, top string) {
				appendTo(t, top+"/other", "")
				must(t, os.Remove(top+"/second"))
				must(t, os.Symlink("other", top+"/second"))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			must(t, os.MkdirAll(top+"/a/b", 0o700))
			appendTo(t, top+"/a/b/events.log", linesOf(0, 8))
			if try.before != nil {
				try.before(t, top)
			}
			path := filepath.Join(top, try.path)
			w := open(t, path, Options{})
			appendTo(t, path, lineOf(8))
			w.names(1)
			try.change(t, top)
			appendTo(t, path, lineOf(100))
			// It has to be noticed with no call that looks.
			for deadline := time.Now().Add(10 * time.Second); !w.has("v100"); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the follower has %v", w.names(1))
				}
			}
			appendTo(t, path, lineOf(101))
			names, _, err := w.history("")
			if err != nil || names[len(names)-1] != "v101" {
				t.Errorf("the past is %v, %v", names, err)
			}
			if _, err := store.Cursors(w.Append(context.Background(), []events.Event{event(102)})); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if want := lineOf(101) + lineOf(102); err != nil || len(text) < len(want) || string(text[len(text)-len(want):]) != want {
				t.Errorf("the file at the path is\n%s%v", text, err)
			}
			if w.Path() != path {
				t.Errorf("the store says that it lies at %s", w.Path())
			}
		})
	}
}

// mount mounts something until the test ends.
func mount(t *testing.T, args ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a mount takes root")
	}
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", args[len(args)-1]).Run() })
}

// Where the kernel has no inotify instance or watch left the log is polled, which the
// status reports, and it is watched again once there is one.
func TestWatch_limits(t *testing.T) {
	for call, errno := range map[string]unix.Errno{"inotify": unix.EMFILE, "watch": unix.ENOSPC} {
		t.Run(call, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(0, 10))
			d := new(faulty)
			d.set(func(c string, _ int) (int, error) {
				if c == call {
					return 0, errno
				}
				return 0, nil
			})
			w := open(t, path, Options{disk: d})
			if fault := w.Status().Fault; fault == "" {
				t.Error("the status says nothing")
			} else {
				t.Log(fault)
			}
			appendTo(t, path, linesOf(10, 12))
			equal(t, "polled", w.names(2), namesOf(10, 12))
			rotate(t, path, 0)
			appendTo(t, path, linesOf(12, 14))
			equal(t, "polled", w.names(4), namesOf(10, 14))
			d.heal()
			for deadline := time.Now().Add(10 * time.Second); w.Status().Fault != ""; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal(w.Status().Fault)
				}
			}
			for n := 14; n < 20; n++ {
				appendTo(t, path, lineOf(n))
				equal(t, "watched", w.names(n-9), namesOf(10, n+1))
			}
			if w.losses() > 0 {
				t.Error("a loss was reported")
			}
		})
	}
}

// Where nothing is watched there is no report to wait for: the first file is
// adopted with the next poll, and that another may have been there before it is a
// loss.
func TestWatch_limitsBeforeTheFirstFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	d := new(faulty)
	d.set(func(c string, _ int) (int, error) {
		if c == "watch" {
			return 0, unix.ENOSPC
		}
		return 0, nil
	})
	var logged testkit.Buffer
	w := open(t, path, Options{disk: d, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	began := time.Now()
	appendTo(t, path, linesOf(0, 1))
	equal(t, "polled", w.names(1), namesOf(0, 1))
	if took := time.Since(began); took > settleTime-pollTime {
		t.Errorf("the first event took %v", took)
	}
	if w.losses() != 1 {
		t.Errorf("%d losses were reported, want 1", w.losses())
	}
	d.heal()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(logged.String(), "is watched again"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log says %q", logged.String())
		}
	}
	if n := strings.Count(logged.String(), "cannot watch the log"); n != 1 {
		t.Errorf("the log says so %d times: %q", n, logged.String())
	}
}
