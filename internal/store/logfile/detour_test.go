package logfile

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Events of a file that was at the path for a moment, between two looks, are lost,
// and followers get an error: also if the file that was there before is there again,
// or the next one seems to be the only one that came.
func TestPath_ledElsewhereForAMoment(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Each has event 100 in a file that was at TOP/a/b/events.log, or TOP/link/b/events.log.
	for name, try := range map[string]struct {
		first bool // the follower waits for the first event
		path  string
		away  func(t *testing.T, top string)
	}{
		"file": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			log := top + "/a/b/events.log"
			must(t, os.Rename(log, log+".x"))
			appendTo(t, log, lineOf(100))
			must(t, os.Remove(log))
			must(t, os.Rename(log+".x", log))
		}},
		"directory": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			must(t, os.Rename(top+"/a/b", top+"/a/x"))
			must(t, os.Mkdir(top+"/a/b", 0o700))
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.Rename(top+"/a/b", top+"/a/y"))
			must(t, os.Rename(top+"/a/x", top+"/a/b"))
		}},
		"directory above": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			must(t, os.Rename(top+"/a", top+"/x"))
			must(t, os.MkdirAll(top+"/a/b", 0o700))
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.RemoveAll(top+"/a"))
			must(t, os.Rename(top+"/x", top+"/a"))
		}},
		"link": {path: "link/b/events.log", away: func(t *testing.T, top string) {
			must(t, os.MkdirAll(top+"/other/b", 0o700))
			for _, to := range []string{"other", "a"} {
				must(t, os.Symlink(to, top+"/new"))
				must(t, os.Rename(top+"/new", top+"/link"))
				if to == "other" {
					appendTo(t, top+"/link/b/events.log", lineOf(100))
				}
			}
		}},
		"files from another directory": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			for n := 100; n < 102; n++ {
				appendTo(t, top+"/new", lineOf(n))
				must(t, os.Rename(top+"/new", top+"/a/b/events.log"))
			}
		}},
		"mount": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			mount(t, "-t", "tmpfs", "t", top+"/a/b")
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.Remove(top+"/a/b/events.log"))
		}},
		"mount over a directory above": {path: "a/b/events.log", away: func(t *testing.T, top string) {
			mount(t, "-t", "tmpfs", "t", top+"/a")
			must(t, os.Mkdir(top+"/a/b", 0o700))
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.Remove(top+"/a/b/events.log"))
		}},
		"mount, before the first event": {first: true, path: "a/b/events.log", away: func(t *testing.T, top string) {
			mount(t, "-t", "tmpfs", "t", top+"/a/b")
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.Remove(top+"/a/b/events.log"))
		}},
		"directory, before the first event": {first: true, path: "a/b/events.log", away: func(t *testing.T, top string) {
			appendTo(t, top+"/a/b/events.log", lineOf(100))
			must(t, os.Rename(top+"/a/b", top+"/a/y"))
			must(t, os.Mkdir(top+"/a/b", 0o700))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			must(t, os.MkdirAll(top+"/a/b", 0o700))
			must(t, os.Symlink("a", top+"/link"))
			path := filepath.Join(top, try.path)
			if !try.first {
				appendTo(t, path, linesOf(0, 8))
			}
			w := open(t, path, Options{})
			if !try.first {
				appendTo(t, path, lineOf(8))
				w.names(1)
			}
			w.follower.arrivals.mu.Lock() // what notes what is at the path is held up
			try.away(t, top)
			w.follower.arrivals.mu.Unlock()
			if _, err := os.Stat(path); err != nil { // the next file comes after that was noticed
				must(t, w.Probe(t.Context()))
			}
			appendTo(t, path, lineOf(110))
			eventually(t, "the loss is reported", func() bool { return w.losses() > 0 })
			appendTo(t, path, lineOf(111))
			eventually(t, "it goes on", func() bool { return w.has("v111") })
			if n := w.losses(); n > 1 || w.has("v100") {
				t.Errorf("%d losses were reported", n)
			}
		})
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never true: %s", what)
		}
	}
}
