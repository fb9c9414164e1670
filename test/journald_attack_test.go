//go:build systemd

package test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attacks are entries that any local user may send, to cost others as much as
// can be. Those of the first kind are left out, the others are below the bounds.
var attacks = []struct {
	name    string
	entries int
	entry   func(i int) map[string]string
}{
	{"nothing", 0, nil},
	{"1.7-million-labels", 45, func(i int) map[string]string { // 24 MB, which journald compresses to 2
		return with(podmanEntry(fmt.Sprint("labels", i), time.Now()), "PODMAN_LABELS", manyLabels())
	}},
	{"1.8-MB-of-noise", 100, func(i int) map[string]string {
		return with(podmanEntry(fmt.Sprint("noise", i), time.Now()), "PODMAN_CONTAINER_INSPECT_DATA", noise(1_800_000))
	}},
	{"1.8-MB-of-quotes", 100, func(i int) map[string]string { // each is escaped
		return with(podmanEntry(fmt.Sprint("quotes", i), time.Now()), "PODMAN_CONTAINER_INSPECT_DATA", strings.Repeat(`"`, 1_800_000))
	}},
	{"4096-labels", 300, func(i int) map[string]string {
		var labels strings.Builder
		for k := range 4096 {
			fmt.Fprintf(&labels, `,"%x.%x":"%040d"`, k, i, k)
		}
		return with(podmanEntry(fmt.Sprint("label", i), time.Now()), "PODMAN_LABELS", "{"+labels.String()[1:]+"}")
	}},
	{"100-compressed-fields", 100, func(i int) map[string]string {
		e := podmanEntry(fmt.Sprint("fields", i), time.Now())
		for k := range 100 {
			e[fmt.Sprintf("FIELD%d", k)] = strings.Repeat("f", 2000)
		}
		return e
	}},
}

var manyLabels = sync.OnceValue(func() string {
	var labels strings.Builder
	for k := range 1_700_000 {
		fmt.Fprintf(&labels, `,"k%07d":"v"`, k)
	}
	return "{" + labels.String()[1:] + "}"
})

// noise returns text that hardly can be compressed.
func noise(n int) string {
	b := make([]byte, n*3/4)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// BenchmarkJournalUnderAttack measures what such entries cost others: the slowest of
// each call, while the entries arrive and afterwards; how much later than journald a
// follower gets the event after them; a history that has to read all labels; and the
// peak of the daemon's own memory. Resident memory beyond that is mapped pages of the
// journal's files, which the kernel has anyway. While the entries arrive, WriteEvent,
// and anything else that a call waits for, is mostly journald's own time. The promise
// is, after the entries: follower-ms below 1000, calls below 100, and own-MB below 200.
//
//	go test -tags systemd ./test -run '^$' -bench JournalUnderAttack -benchtime 1x
func BenchmarkJournalUnderAttack(b *testing.B) {
	for _, attack := range attacks {
		b.Run(attack.name, func(b *testing.B) {
			for b.Loop() {
				r := startRoom(b)
				r.flush()
				d := r.startDaemon()
				r.send(podmanEntry("before", time.Now()))
				follower := d.subscribe(everyUser)
				own := d.peakOfOwnMemory()
				end := make(chan time.Time, 1)
				go func() {
					if _, err := follower.collect(func(e *event) bool { return e.Name == "end" }); err != nil {
						b.Errorf("the follower: %v", err)
					}
					end <- time.Now()
				}()
				during := d.worstCalls(func() {
					for i := range attack.entries {
						sendLong(b, r.socket(), attack.entry(i))
					}
					r.send(podmanEntry("end", time.Now()))
				})
				stored := time.Now()
				b.ReportMetric(float64(max(0, (<-end).Sub(stored)).Microseconds())/1000, "follower-ms")
				after := d.worstCalls(func() { time.Sleep(3 * time.Second) })
				for method, worst := range after {
					b.ReportMetric(float64(during[method].Microseconds())/1000, "during-"+method+"-ms")
					b.ReportMetric(float64(worst.Microseconds())/1000, method+"-ms")
				}
				began := time.Now()
				d.history(params{"filters": []string{"label=nowhere"}})
				b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "label-history-ms")
				b.ReportMetric(float64(own())/1000, "own-MB")
				b.ReportMetric(float64(d.status("VmHWM"))/1000, "with-mapped-files-MB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// peakOfOwnMemory samples the memory of the daemon that no file backs, until the
// function is called, which returns the peak in kB.
func (d *daemon) peakOfOwnMemory() func() int {
	over, peak := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for {
			select {
			case <-over:
				peak <- most
				return
			case <-time.After(10 * time.Millisecond):
				most = max(most, d.status("RssAnon"))
			}
		}
	}()
	return func() int { close(over); return <-peak }
}

// worstCalls makes calls while f runs, and returns how long the slowest of each took.
func (d *daemon) worstCalls(f func()) map[string]time.Duration {
	d.t.Helper()
	calls := map[string]params{
		"GetStatus":    nil,
		"GetLastEvent": {"filters": []string{"name=before"}},
		"WriteEvent":   {"event": map[string]string{"type": "volume", "status": "create", "name": "written"}},
	}
	worst := make(map[string]time.Duration)
	var mu sync.Mutex
	var all sync.WaitGroup
	var over atomic.Bool
	for method, p := range calls {
		all.Go(func() {
			for !over.Load() {
				began := time.Now()
				if reply := d.call(method, p); reply.Error != "" {
					d.t.Errorf("%s: %s %s", method, reply.Error, reply.Parameters.Reason)
				}
				mu.Lock()
				worst[method] = max(worst[method], time.Since(began))
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	f()
	over.Store(true)
	all.Wait()
	return worst
}
