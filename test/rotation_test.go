package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/busy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// writers starts processes that imitate Podman, and waits for them. It returns
// how often they rotated the log.
func writers(t *testing.T, log string, n, count, rate, limit int) (rotations int) {
	t.Helper()
	var cmds []*exec.Cmd
	var outs []*testkit.Buffer
	for i := range n {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), writerPath+"="+log, writerName+"="+fmt.Sprintf("w%d", i),
			writerLimit+"="+strconv.Itoa(limit), writerCount+"="+strconv.Itoa(count), writerRate+"="+strconv.Itoa(rate),
			writerMarkers+"="+strconv.Itoa(i%2))
		out := new(testkit.Buffer)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		r, err := strconv.Atoi(strings.TrimSpace(outs[i].String()))
		if err != nil {
			t.Fatal(err)
		}
		rotations += r
	}
	return rotations
}

// TestRotation_flatOut lets four processes write and rotate as Podman does, together
// 40,000 events a second.
//
// A generation of 100 kB then lasts ten milliseconds or so. On a loaded machine one may
// go unseen, which has to be reported: the test is tried again after a reported loss,
// and fails at once after an unreported one. If other programs used much of the
// processors in most of the tries, it only proves that each loss is reported.
func TestRotation_flatOut(t *testing.T) {
	const tries = 5
	each := counts(5000, 50000)
	for _, limit := range []int{100_000, 1_000_000} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			var hampered int
			for range tries {
				mark := busy.Now()
				if reported := rotateFlatOut(t, limit, each); !reported {
					return
				}
				others := mark.Others()
				t.Logf("others had %.0f %% of the processors", 100*others)
				if others >= busy.Much {
					hampered++
				}
			}
			if hampered > tries/2 {
				t.Logf("in %d of %d runs others had too much of the processors; every loss was reported", hampered, tries)
				return
			}
			t.Errorf("events were lost in each of %d runs", tries)
		})
	}
}

// rotateFlatOut runs writers and followers, and returns whether a loss was reported to
// a follower.
func rotateFlatOut(t *testing.T, limit, each int) (reported bool) {
	t.Helper()
	const processes, rate = 4, 10000
	d := startDaemon(t)
	defer d.kill()
	got := make([]watched, 3)
	errs := make([]error, len(got))
	var following sync.WaitGroup
	for i := range got {
		got[i].who = fmt.Sprintf("follower %d", i)
		w := d.subscribe(nil)
		following.Go(func() { got[i].events, errs[i] = w.collect(isEnd) })
	}
	began := time.Now()
	rotations := writers(t, d.log, processes, each, rate, limit)
	took := time.Since(began)
	newModel(t).end(d)
	following.Wait()
	for i := range got {
		n, missed, repeated, disordered, last := sequences(got[i].events)
		t.Logf("limit %d, %s: %d of %d events, %d rotations, %.0f events/s; %d missed, %d repeated, %d out of order; %v",
			limit, got[i].who, n, processes*each, rotations, float64(processes*each)/took.Seconds(), missed, repeated, disordered, errs[i])
		if missed+repeated+disordered != 0 {
			t.Errorf("%s got no error for that", got[i].who)
		}
		if errs[i] != nil {
			if !strings.Contains(errs[i].Error(), "CursorExpired") {
				t.Errorf("%s: %v", got[i].who, errs[i])
			}
			reported = true
			continue
		}
		if n != processes*each {
			t.Errorf("%s got %d events", got[i].who, n)
		}
		for writer, number := range last {
			if number != each-1 {
				t.Errorf("%s: the last event of %s is %d of %d", got[i].who, writer, number, each-1)
			}
		}
	}
	return reported
}

// TestRotation_unseenGenerations stops the daemon while the log is
// rewritten several times.
func TestRotation_unseenGenerations(t *testing.T) {
	d := startDaemon(t)
	writers(t, d.log, 1, 50, 0, 5000)
	before := d.history(nil)
	last := before[len(before)-1].Cursor
	d.stop()
	writers(t, d.log, 2, 500, 0, 5000)
	d.start()
	for _, method := range []string{"GetEvents", "Subscribe"} {
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.send(method, params{"after": last}, true); err != nil {
			t.Fatal(err)
		}
		r, err := w.recv()
		if err != nil || r.Error != "io.podman.events.CursorExpired" || r.Parameters.Oldest == "" {
			t.Fatalf("%s: %+v, %v", method, r, err)
		}
		all := d.history(params{"after": r.Parameters.Oldest})
		if want := d.history(nil); len(all) != len(want) || len(all) == 0 || all[0].Cursor != want[0].Cursor {
			t.Errorf("%s: after 'oldest' there are %d events, the store has %d", method, len(all), len(want))
		}
		w.close()
	}
}

// TestRotation_realPodmans lets Podman itself write to a log of 2 kB, and compares what
// the daemon delivers with what each podman reported, and with what podman's own
// follower prints.
func TestRotation_realPodmans(t *testing.T) {
	needRoot(t)
	testkit.Need(t, "podman")
	dir := testkit.ShortDir(t)
	podman := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join("peers", "podman.sh"), append([]string{dir}, args...)...)
		cmd.Env = append(os.Environ(), "EVENTSVC_LOG_MAX_SIZE=2k")
		return cmd
	}
	t.Cleanup(func() { _ = podman("--clean").Run() })
	if out, err := podman("volume", "create", "first").CombinedOutput(); err != nil {
		t.Fatalf("podman: %v\n%s", err, out)
	}
	out, err := podman("--log").Output()
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t)
	d.log = strings.TrimSpace(string(out))
	d.start()

	w := d.subscribe(nil)
	got := watched{who: "our follower"}
	var following sync.WaitGroup
	following.Go(func() {
		var err error
		if got.events, err = w.collect(func(e *event) bool { return e.Name == endName && e.Status == "create" }); err != nil {
			t.Errorf("our follower: %v", err)
		}
	})
	own := podman("events", "--format", "json")
	stdout, err := own.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	podmans := make(map[string]int)
	var reading sync.WaitGroup
	reading.Go(func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			var e struct{ Name, Status string }
			if json.Unmarshal(s.Bytes(), &e) == nil {
				podmans[e.Name+" "+e.Status]++
			}
		}
	})

	// Each podman creates a volume and removes it. If it succeeds, it has stored both
	// events.
	each := counts(20, 150)
	var acked sync.Map
	var total atomic.Int64
	var writing sync.WaitGroup
	for i := range 3 {
		writing.Go(func() {
			for n := range each {
				name := fmt.Sprintf("v%d-%d", i, n)
				for _, step := range []struct{ verb, status string }{{"create", "create"}, {"rm", "remove"}} {
					if out, err := podman("volume", step.verb, name).CombinedOutput(); err != nil {
						t.Errorf("podman volume %s: %v\n%s", step.verb, err, out)
						return
					}
					acked.Store(name+" "+step.status, true)
					total.Add(1)
				}
			}
		})
	}
	writing.Wait()
	if out, err := podman("volume", "create", endName).CombinedOutput(); err != nil {
		t.Fatalf("podman: %v\n%s", err, out)
	}
	following.Wait()
	time.Sleep(time.Second) // for podman's follower, which polls and does not say when it is done
	_ = own.Process.Kill()
	reading.Wait()
	_ = own.Wait()

	seen, rotations := make(map[string]int), 0
	for _, e := range got.events {
		seen[e.Name+" "+e.Status]++
		if e.Status == "log_rotation" {
			rotations++
		}
	}
	var missed, repeated, podmanMissed, podmanRepeated int
	acked.Range(func(key, _ any) bool {
		n, p := seen[key.(string)], podmans[key.(string)]
		missed, repeated = missed+max(0, 1-n), repeated+max(0, n-1)
		podmanMissed, podmanRepeated = podmanMissed+max(0, 1-p), podmanRepeated+max(0, p-1)
		return true
	})
	t.Logf("%d events, %d rotations: eventsvc %d missed, %d repeated; podman's own follower %d missed, %d repeated",
		total.Load(), rotations, missed, repeated, podmanMissed, podmanRepeated)
	if missed+repeated != 0 {
		t.Errorf("%d missed, %d repeated", missed, repeated)
	}
}
