package logfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/store"
)

// everyCall are the calls of disk.
var everyCall = []string{
	"open", "at", "of", "stat", "readAt", "write", "truncate", "sync", "syncNames", "rename", "mkdir", "lock", "dup", "watch",
}

// logLines returns the lines of the log and of what was set aside, oldest first.
func logLines(t *testing.T, path string) []string {
	t.Helper()
	var all []byte
	for n := rotated.Kept; n >= 0; n-- {
		name := path
		if n > 0 {
			name = rotated.Path(path, n)
		}
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if all = append(all, b...); n > 0 && len(b) > 0 && b[len(b)-1] != '\n' {
			all = append(all, '\n') // what was left unfinished in a file ends with it
		}
	}
	return strings.SplitAfter(string(all), "\n")
}

// runWithFaults writes events, the log rotated on the way, while calls of the
// disk fail, and returns how often it was notified that something does not work.
// whole says that no line may be left unfinished.
func runWithFaults(t *testing.T, own, whole bool, sync Sync, fails func(call string, n int) (int, error)) (failures int) {
	t.Helper()
	const count = 40
	path := filepath.Join(t.TempDir(), "d", "events.log")
	d := &faulty{fails: fails}
	o := Options{Path: path, Sync: sync, disk: d, LockTimeout: time.Minute}
	if own {
		o.MaxSize = 16 << 10 // four files, of which the events fill three at most
	}
	s, err := Open(o)
	if err != nil { // the service does not start, and says why
		failures++
		d.heal()
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
		d.set(fails)
	}
	defer s.Close()
	w := watch(t, s)
	acknowledged := make(map[string]int)
	for n := range count {
		if n == count/2 && !own {
			if _, err := os.Stat(path); err == nil {
				rotate(t, path, 1)
			}
		}
		_, err := store.Cursors(s.Append(context.Background(), []events.Event{event(n), event(1000 + n)}))
		var unavailable *events.UnavailableError
		switch {
		case err == nil:
			acknowledged[lineOf(n)]++
			acknowledged[lineOf(1000+n)]++
		case errors.As(err, &unavailable) && strings.HasPrefix(unavailable.Reason, "cannot "):
			failures++
			// Behind the rotation what it wrote may be read only now: another process could write.
			if s.Status().Fault == "" && s.syncs.mode == SyncNever && (own || n != count/2) {
				t.Errorf("event %d could not be written (%v), and the status says nothing", n, err)
			}
		default:
			t.Fatalf("event %d: %v", n, err)
		}
	}
	d.heal()
	if _, err := store.Cursors(s.Append(context.Background(), []events.Event{event(9999)})); err != nil {
		t.Fatalf("it does not recover: %v", err)
	}
	if err := s.syncs.now(); err != nil { // which else comes later, by the clock
		t.Fatal(err)
	}
	if fault := s.Status().Fault; fault != "" {
		t.Errorf("the fault stays: %s", fault)
	}
	lines := logLines(t, path)
	if last := lines[len(lines)-1]; last != "" {
		t.Errorf("the last line is unfinished: %q", last)
	}
	there := make(map[string]int)
	for _, line := range lines[:len(lines)-1] {
		there[line]++
		if there[line] > 1 {
			t.Errorf("twice in the log: %s", line)
		}
		if whole && (!strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}\n")) {
			t.Errorf("a line is not whole: %q", line)
		}
	}
	if own { // the other is rotated, and what it drops is gone for every reader
		for line := range acknowledged {
			if there[line] != 1 {
				t.Errorf("acknowledged, and %d times in the log: %s", there[line], line)
			}
		}
	}
	w.checkAgainst(acknowledged)
	return failures
}

func watch(t *testing.T, s *Store) *watched {
	t.Helper()
	w := &watched{Store: s, t: t}
	w.more = sync.NewCond(&w.mu)
	if _, _, err := s.Follow(w.take); err != nil {
		t.Fatal(err)
	}
	return w
}

// checkAgainst checks that what was acknowledged reached the follower, once,
// unless it was notified that something was lost.
func (w *watched) checkAgainst(acknowledged map[string]int) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := w.Look(); err != nil {
			w.t.Fatal(err)
		}
		w.mu.Lock()
		n := len(w.got)
		done := n > 0 && w.got[n-1].Event().Name == "v9999"
		w.mu.Unlock()
		if done {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the last event is not delivered")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	told := make(map[string]int)
	for i := range w.got {
		line := string(w.got[i].Line) + "\n"
		if told[line]++; told[line] > 1 && w.lost == 0 {
			w.t.Errorf("delivered twice: %s", line)
		}
	}
	for line := range acknowledged {
		if told[line] == 0 && w.lost == 0 {
			w.t.Errorf("acknowledged, and not delivered: %s", line)
		}
	}
}

// TestFaults_nothingLost lets each call of the disk fail,
// the first time, the second time and so on, once and several times on end,
// with each error that a disk has.
func TestFaults_nothingLost(t *testing.T) {
	most := 8
	if os.Getenv("EVENTSVC_LONG") != "" {
		most = 100
	}
	errnos := []unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS, unix.EMFILE, unix.ENOMEM, unix.EDQUOT}
	for _, call := range everyCall {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s of own log %v", call, own), func(t *testing.T) {
				t.Parallel()
				failures := 0
				for n := 1; n <= most; n++ {
					errno := errnos[n%len(errnos)]
					length := 1 + n%4
					mode := Sync(n % 3)
					// What was written in part cannot be taken back without these.
					whole := call != "truncate" && call != "of"
					failures += runWithFaults(t, own, whole, mode, func(c string, at int) (int, error) {
						switch {
						case c == call && at >= n && at < n+length:
							return 37 * (n % 8), errno // of a write: some whole lines, or a part of one
						case call == "truncate" && c == "write" && at%5 == 0:
							return 150, unix.ENOSPC // so that there is something to be taken back
						}
						return 0, nil
					})
					if t.Failed() {
						t.Fatalf("%s fails with %v, from the %d. time on, %d times, synced %v", call, errno, n, length, mode)
					}
				}
				t.Logf("%d runs, %d failures were reported", most, failures)
			})
		}
	}
}

// A write that was cut short is taken back unless another wrote after it.
func TestAppend_cutShort(t *testing.T) {
	for _, test := range []struct {
		name   string
		behind string
		heals  bool
		want   []string
	}{
		{"No other writer", "", false, []string{lineOf(0), lineOf(2), ""}},
		{"Another writer", lineOf(7), false, []string{lineOf(0), lineOf(1)[:20] + lineOf(7), lineOf(2), ""}},
		{"Another writer in the middle of a line", lineOf(7)[:9], false, []string{lineOf(0), lineOf(1)[:20] + lineOf(7)[:9] + "\n", lineOf(2), ""}},
		{"No other writer, and one later", "", true, []string{lineOf(0), lineOf(8), lineOf(2), ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			d := new(faulty)
			w := open(t, path, Options{disk: d})
			if err := w.write(0); err != nil {
				t.Fatal(err)
			}
			written := false
			d.set(func(call string, _ int) (int, error) {
				switch {
				case call == "write":
					written = true
					return 20, unix.ENOSPC
				case call == "of" && written: // what is done about it begins with that
					written = false
					appendTo(t, path, test.behind)
				}
				return 0, nil
			})
			if err := w.write(1); err == nil || !strings.Contains(err.Error(), "make room") {
				t.Fatalf("the write gives %v", err)
			}
			if fault := w.Status().Fault; !strings.Contains(fault, "no space left") {
				t.Errorf("the status says %q", fault)
			}
			d.heal()
			if test.heals { // an event of another process shows that there is room again
				appendTo(t, path, lineOf(8))
				if fault := w.Status().Fault; fault != "" {
					t.Errorf("the status still says %q", fault)
				}
			}
			if err := w.write(2); err != nil {
				t.Fatal(err)
			}
			equal(t, "the log", logLines(t, path), test.want)
			if fault := w.Status().Fault; fault != "" {
				t.Errorf("the fault stays: %q", fault)
			}
		})
	}
}

// That another process can write proves nothing about our rights.
func TestAppend_rightsOfOthers(t *testing.T) {
	for errno, stays := range map[unix.Errno]bool{
		unix.EROFS: true, unix.EACCES: true, unix.EPERM: true, unix.EMFILE: true, unix.ENOSPC: false, unix.EIO: false,
	} {
		path := filepath.Join(t.TempDir(), "events.log")
		d := new(faulty)
		w := open(t, path, Options{disk: d})
		if err := w.write(0); err != nil {
			t.Fatal(err)
		}
		d.set(func(call string, _ int) (int, error) {
			if call == "write" {
				return 0, errno
			}
			return 0, nil
		})
		if err := w.write(1); err == nil {
			t.Errorf("with %v an event is written", errno)
		}
		appendTo(t, path, lineOf(7))
		if fault := w.Status().Fault; strings.Contains(fault, errno.Error()) != stays {
			t.Errorf("with %v, and an event of another writer, the status says %q", errno, fault)
		}
		d.heal()
		if err := w.write(2); err != nil || w.Status().Fault != "" {
			t.Errorf("once %v is over: %v, %q", errno, err, w.Status().Fault)
		}
	}
}

// A fault ends by itself; nothing else has to happen.
func TestFaults_pass(t *testing.T) {
	for _, call := range []string{"open", "at", "readAt", "stat"} {
		t.Run(call, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			appendTo(t, path, linesOf(0, 10))
			d := new(faulty)
			w := open(t, path, Options{disk: d})
			d.set(func(c string, _ int) (int, error) {
				if c == call {
					return 0, unix.EMFILE
				}
				return 0, nil
			})
			rotate(t, path, 0)
			appendTo(t, path, linesOf(10, 12))
			for deadline := time.Now().Add(10 * time.Second); w.faultNow() == nil; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nothing failed")
				}
			}
			d.heal() // and from here on the kernel has nothing to tell of
			equal(t, "followed", w.names(2), namesOf(10, 12))
			if w.losses() > 0 {
				t.Error("a loss was reported")
			}
		})
	}
}

func (w *watched) faultNow() error {
	w.follower.mu.Lock()
	defer w.follower.mu.Unlock()
	return w.follower.fault
}

// A log that is truncated without a descriptor to spare is reported as a loss later.
func TestFollow_truncatedWithoutDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, linesOf(0, 10))
	d := new(faulty)
	w := open(t, path, Options{disk: d})
	d.set(func(call string, _ int) (int, error) {
		if call == "dup" {
			return 0, unix.EMFILE
		}
		return 0, nil
	})
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, linesOf(10, 12))
	for deadline := time.Now().Add(10 * time.Second); w.faultNow() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing failed")
		}
	}
	d.heal()
	equal(t, "followed", w.names(2), namesOf(10, 12))
	if w.losses() != 1 {
		t.Errorf("%d losses were reported", w.losses())
	}
}
