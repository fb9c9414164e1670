//go:build systemd

package test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attacks are entries that any local user may send, to delay others as much as possible.
// Those of the first kind are skipped, the others are below the limits.
var attacks = []struct {
	name    string
	entries int
	entry   func(i int) map[string]string
}{
	{"nothing", 0, nil},
	{"1.7-million-labels", 45, func(i int) map[string]string { // 24 MB, which journald compresses to 2
		return with(podmanEntry(fmt.Sprint("labels", i), time.Now()), "PODMAN_LABELS", manyLabels())
	}},
	{"1-MB-of-noise", 100, func(i int) map[string]string { return inspected("noise", i, noise(1_000_000)) }},
	{"1-MB-of-umlauts", 100, func(i int) map[string]string { return inspected("umlauts", i, strings.Repeat("ü", 500_000)) }},
	{"1-MB-with-quotes", 100, func(i int) map[string]string { // as many as there may be
		return inspected("quotes", i, strings.Repeat(`"a`, 500_000))
	}},
	{"1-MB-of-controls", 100, func(i int) map[string]string { return inspected("controls", i, strings.Repeat("\x01", 1_000_000)) }},
	{"1-MB-of-invalid-text", 100, func(i int) map[string]string { return inspected("invalid", i, strings.Repeat("\xc3", 1_000_000)) }},
	{"3-kB-of-controls", 5000, func(i int) map[string]string { return inspected("controls", i, strings.Repeat("\x01", 3_200)) }},
	{"4096-labels", 300, func(i int) map[string]string {
		var labels strings.Builder
		for k := range 4096 {
			fmt.Fprintf(&labels, `,"%x.%x":"%040d"`, k, i, k)
		}
		return with(podmanEntry(fmt.Sprint("label", i), time.Now()), "PODMAN_LABELS", "{"+labels.String()[1:]+"}")
	}},
	{"25000-labels", 300, func(i int) map[string]string {
		return with(podmanEntry(fmt.Sprint("label", i), time.Now()), "PODMAN_LABELS", labels(25_000, `,"%d":""`))
	}},
	{"4000-odd-labels", 300, func(i int) map[string]string { // with an escape that only encoding/json decodes
		return with(podmanEntry(fmt.Sprint("label", i), time.Now()), "PODMAN_LABELS", labels(4000, `,"%d":"\ud83d\ude00"`))
	}},
	{"100-compressed-fields", 100, func(i int) map[string]string {
		e := podmanEntry(fmt.Sprint("fields", i), time.Now())
		for k := range 100 {
			e[fmt.Sprintf("FIELD%d", k)] = strings.Repeat("f", 2000)
		}
		return e
	}},
}

func inspected(name string, i int, data string) map[string]string {
	return with(podmanEntry(fmt.Sprint(name, i), time.Now()), "PODMAN_CONTAINER_INSPECT_DATA", data)
}

// labels returns a number of labels in that form.
func labels(n int, form string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form, i)
	}
	return "{" + b.String()[1:] + "}"
}

var manyLabels = sync.OnceValue(func() string {
	return labels(1_700_000, `,"k%07d":"v"`)
})

// noise returns text that can hardly be compressed.
func noise(n int) string {
	b := make([]byte, n*3/4)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// BenchmarkJournalUnderAttack measures what such entries cost others: the slowest of
// each call, while the entries arrive and afterwards; how much later than journald a
// follower that only reads gets the event after them; a history that has to read all
// labels; and the peak of the daemon's own memory. Resident memory beyond that is mapped
// pages of the journal's files, which the kernel has anyway. While the entries arrive,
// WriteEvent, and anything else that a call waits for, is mostly journald's own time. The
// promise is, after the entries: follower-ms below 1000, calls below 100, and own-MB
// below 200.
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
				cpu := cpuTime(b, d.cmd)
				follower := d.subscribe(everyUser)
				own := d.peakOfOwnMemory()
				end := make(chan time.Time, 1)
				go func() {
					if err := follower.passUntil(`"name":"end"`); err != nil {
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
				b.ReportMetric(float64(cpuTime(b, d.cmd)-cpu)/1e6, "cpu-ms")
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

// passUntil reads replies, without decoding them, until one has the text.
func (w *wire) passUntil(text string) error {
	var tail []byte // of what was read, with which the text may begin
	for buf := make([]byte, 64<<10); ; {
		n, err := w.r.Read(buf)
		if err != nil {
			return err
		}
		if tail = append(tail, buf[:n]...); bytes.Contains(tail, []byte(text)) {
			return nil
		}
		tail = tail[max(0, len(tail)-len(text)):]
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
