package test

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// updateBench measures auto-update and podman's own on the same containers,
// and counts the requests of both: "make bench-autoupdate".
func updateBench(l *lab) {
	const settle = "Label=io.eventsvc.autoupdate.settle=1s\n"
	var names []string
	defer func() { l.clear(names...) }()
	stop := l.proxy("delay", "0s")
	slow := func(delay string) {
		stop()
		stop = l.proxy("delay", delay)
	}
	defer func() { stop() }()
	grow := func(count int, image func(int) string) {
		var units []quadlet
		for i := len(names); i < count; i++ {
			name := fmt.Sprintf("bench%02d", i+1)
			names = append(names, name)
			units = append(units, quadlet{name: name, image: badRegistry + "/" + image(i) + ":latest", container: settle})
		}
		l.start(units...)
	}
	one := func(int) string { return "bench" }
	compare := func(what string) (requests int) {
		podmans, theirs := l.measure("podman", "auto-update")
		ours, requests := l.measure("eventsvc", "auto-update")
		l.t.Logf("| %s | %d | %d | %.1f | %d | %d |", what, podmans, ours, float64(podmans)/float64(ours), theirs, requests)
		return requests
	}
	l.t.Log("| | podman, ms | eventsvc, ms | ratio | podman's requests | eventsvc's requests |")
	l.t.Log("|---|---|---|---|---|---|")
	l.push("bench", "good")
	for _, count := range []int{1, 5, 20} {
		grow(count, one)
		for _, delay := range []string{"0s", "100ms"} {
			slow(delay)
			if n := compare(fmt.Sprintf("nothing new, %d of one image, %s a request", count, delay)); n > 2 {
				l.t.Errorf("%d requests for one image, want 2", n)
			}
		}
		slow("0s")
		l.push("bench", "good")
		podmans, theirs := l.measure("podman", "auto-update")
		l.push("bench", "good")
		ours, requests := l.measure("eventsvc", "auto-update")
		settled := 1000 * min(count, 2) // the first unit, then the others together
		l.t.Logf("| all updated, %d of one image | %d | %d, of them %d settle time | %.1f | %d | %d |", count, podmans, ours, settled,
			float64(podmans)/float64(ours-settled), theirs, requests)
		for _, name := range names {
			if got := l.versionOf(name); got != fmt.Sprint(l.version) {
				l.t.Errorf("%s runs version %s, want %d", name, got, l.version)
			}
		}
	}
	l.clear(names...)
	names = nil
	each := func(i int) string { return fmt.Sprintf("bench%02d", i+1) }
	for i := range 20 {
		l.push(each(i), "good")
	}
	grow(20, each)
	slow("100ms")
	compare("nothing new, 20 of 20 images, 100ms a request")
}

// measure runs a command and returns how long it took, in milliseconds, and how many
// requests the proxy got meanwhile.
func (l *lab) measure(args ...string) (ms, requests int) {
	l.t.Helper()
	asked := func() int {
		n, _ := strconv.Atoi(strings.TrimSpace(l.sh("journalctl --sync; journalctl -u 'badregistry*' -o cat --no-pager | grep -cE '^(GET|HEAD) ' || :")))
		return n
	}
	before, start := asked(), time.Now()
	l.run(args...)
	took := time.Since(start)
	return int(took.Milliseconds()), asked() - before
}
