package fleet

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/eventsvc/eventsvc/client"
)

// BenchmarkFleet is 'make bench-fleet': each row once, compared with a bare program with
// nats.go that moves the same bytes through a server of its own. EVENTSVC_BENCH_EVENTS is
// the number of events.
func BenchmarkFleet(b *testing.B) {
	events := benchEvents(1_000_000)
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		b.Fatal(err)
	}
	fmt.Printf("load before: %s\n| work | eventsvc | bare nats.go | ratio | target |\n|---|---|---|---|---|\n", load[:len(load)-1])
	s := startNATS(b)
	h := newHost(b, "h0")
	h.fill(events)

	// One host.
	began := time.Now()
	forwarder := run(b, h.forwardArgs(s)...)
	js, _ := stream(b, s)
	awaitStream(b, js, events)
	ours := rate(events, time.Since(began))
	sample := readStream(b, js, min(events, 200_000))
	bare := startNATS(b)
	batched := publishBatches(b, bare, sample)
	async := publishAsync(b, startNATS(b), [][]*nats.Msg{sample})
	row("one host, fenced batches; the peer: the same from memory", ours, batched, 0.5)
	row("the same; the peer: PublishAsync without a fence", ours, async, 0)
	fmt.Printf("| the stream on disk, bytes an event | %d | | | |\n", s.onDisk()/events)

	// Catching up.
	reader := consume(b, js, events)
	metrics := filepath.Join(filepath.Dir(h.socket), "m")
	log := filepath.Join(b.TempDir(), "events.log")
	began = time.Now()
	c := run(b, collectArgs(s, log, metrics)...)
	awaitNumber(b, metrics, "collect_events_total", func(n float64) bool { return int(n) == events })
	row("catching up: collector into a log; the peer: ordered consumer, nothing written", rate(events, time.Since(began)), reader, 0.6)
	socket := filepath.Join(filepath.Dir(h.socket), "fleet")
	serve(b, socket, log, "--collected")
	began = time.Now()
	out, err := exec.Command("sh", "-c", `"$0" events --address "unix:$1" --stream=false --since 2000-01-01 --format json | wc -l`, binary, socket).CombinedOutput()
	if err != nil || string(out) != strconv.Itoa(events)+"\n" {
		b.Fatalf("%v\n%s", err, out)
	}
	row("catching up: eventsvc events from the fleet's service, as JSON; the peer: as before, not decoded", rate(events, time.Since(began)), reader, 0)

	h.rowLatency(socket)
	fmt.Printf("| memory of forward, of collect, at most | %.1f MB, %.1f MB | | | ≤ 32 MB each |\n", float64(forwarder.memory())/1000, float64(c.memory())/1000)
	forwarder.end(syscall.SIGTERM)
	c.end(syscall.SIGTERM)

	// Three copies.
	s, _ = startCluster(b)
	h = newHost(b, "h0")
	h.fill(events / 10)
	began = time.Now()
	forwarder = run(b, append(h.forwardArgs(s), "--replicas", "3")...)
	js, _ = stream(b, s)
	awaitStream(b, js, events/10)
	fmt.Printf("| one host, fenced batches, three copies | %.0f/s | | | |\n", rate(events/10, time.Since(began)))
	forwarder.end(syscall.SIGTERM)

	rowHosts(b, max(10, events/1000))
}

// BenchmarkFleetHosts is the row of a hundred hosts by itself: 'make bench-fleet
// FLEET=Hosts'.
func BenchmarkFleetHosts(b *testing.B) { rowHosts(b, max(10, benchEvents(1_000_000)/1000)) }

// rowHosts measures a hundred hosts with a number of events each.
func rowHosts(b *testing.B, each int) {
	b.Helper()
	const hosts = 100
	s := startNATS(b)
	var all []*host
	for i := range hosts {
		h := newHost(b, fmt.Sprintf("h%d", i))
		h.fill(each)
		all = append(all, h)
	}
	var js jetstream.JetStream
	began := time.Now()
	for i, h := range all {
		run(b, h.forwardArgs(s)...)
		if i == 0 {
			js, _ = stream(b, s)
		}
	}
	awaitStream(b, js, hosts*each)
	ours := rate(hosts*each, time.Since(began))
	per := make([][]*nats.Msg, hosts)
	for i, m := range readStream(b, js, hosts*each) {
		per[i%hosts] = append(per[i%hosts], m)
	}
	row("100 hosts, from starting 100 forwarders on; the peer: 100 connections, PublishAsync without a fence", ours, publishAsync(b, startNATS(b), per), 0)
}

// BenchmarkFleetLatency is the row of the latency by itself: 'make bench-fleet
// FLEET=Latency'.
func BenchmarkFleetLatency(b *testing.B) {
	events := benchEvents(1000)
	s := startNATS(b)
	h := newHost(b, "h0")
	h.fill(events)
	run(b, h.forwardArgs(s)...)
	metrics, log := filepath.Join(filepath.Dir(h.socket), "m"), filepath.Join(b.TempDir(), "events.log")
	js, _ := stream(b, s)
	awaitStream(b, js, events)
	run(b, collectArgs(s, log, metrics)...)
	awaitNumber(b, metrics, "collect_events_total", func(n float64) bool { return int(n) == events })
	socket := filepath.Join(filepath.Dir(h.socket), "fleet")
	serve(b, socket, log, "--collected")
	for range 3 {
		h.rowLatency(socket)
	}
}

// benchEvents is the number of events that the hosts have at the start.
func benchEvents(usual int) int {
	if n, _ := strconv.Atoi(os.Getenv("EVENTSVC_BENCH_EVENTS")); n > 0 {
		return n
	}
	return usual
}

func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

func row(work string, ours, peer, target float64) {
	aim := ""
	if target > 0 {
		aim = fmt.Sprintf("≥ %.1f ×", target)
	}
	fmt.Printf("| %s | %.0f/s | %.0f/s | %.2f × | %s |\n", work, ours, peer, ours/peer, aim)
}

func (h *host) forwardArgs(s *server) []string {
	return []string{"env", "GOMEMLIMIT=24MiB", binary, "forward", "--to", s.url, "--host", h.name, "--address", "unix:" + h.socket, "--create"}
}

func collectArgs(s *server, log, metrics string) []string {
	return []string{"env", "GOMEMLIMIT=18MiB", binary, "collect", "--from", s.url, "--log", log, "--log-max-size", "0", "--metrics", "unix:" + metrics}
}

// onDisk returns the size of the server's store, in bytes.
func (s *server) onDisk() (total int) {
	_ = filepath.WalkDir(filepath.Join(s.dir, "js"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			if i, err := d.Info(); err == nil && i.Mode().IsRegular() {
				total += int(i.Size())
			}
		}
		return nil
	})
	return total
}

// fill appends many events at once.
func (h *host) fill(n int) {
	h.t.Helper()
	f, err := os.OpenFile(h.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	for range n {
		_, _ = w.Write(eventLine(h.written, ""))
		h.written++
	}
	if err := w.Flush(); err != nil {
		h.t.Fatal(err)
	}
}

// rowLatency measures the latency and prints it.
func (h *host) rowLatency(socket string) {
	h.t.Helper()
	all := h.latencies(socket, 1000)
	fmt.Printf("| append to subscriber of the fleet's service, 100/s | p50 %.2f ms, p99 %.2f ms | | | p50 ≤ 1.5 ms |\n", all[500], all[990])
}

// latencies appends events, and returns for each how long it took to a subscriber, in
// ms and sorted.
func (h *host) latencies(socket string, n int) []float64 {
	h.t.Helper()
	c, err := client.New("unix:" + socket)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	sub, err := c.Subscribe(h.t.Context(), client.SubscribeOptions{AllUsers: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer sub.Close()
	var all []float64
	for range n {
		next := time.Now().Add(10 * time.Millisecond)
		h.write(1)
		e, err := sub.Next(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all, float64(time.Since(e.Time).Microseconds())/1000)
		time.Sleep(time.Until(next)) // 100 events a second
	}
	slices.Sort(all)
	return all
}

func awaitStream(b *testing.B, js jetstream.JetStream, n int) {
	b.Helper()
	for {
		s, err := js.Stream(b.Context(), "EVENTS")
		if err != nil {
			b.Fatal(err)
		}
		if s.CachedInfo().State.Msgs >= uint64(n) {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks at the stream
	}
}

// readEvents calls see with n messages of the stream, by an ordered consumer.
func readEvents(b *testing.B, js jetstream.JetStream, n int, see func(m jetstream.Msg)) {
	b.Helper()
	consumer, err := js.OrderedConsumer(b.Context(), "EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		b.Fatal(err)
	}
	defer messages.Stop()
	for range n {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		see(m)
	}
}

// consume is the peer of a collector.
func consume(b *testing.B, js jetstream.JetStream, n int) float64 {
	began, size := time.Now(), 0
	readEvents(b, js, n, func(m jetstream.Msg) { size += len(m.Data()) })
	return rate(n, time.Since(began))
}

// readStream returns the first messages, to be published again.
func readStream(b *testing.B, js jetstream.JetStream, n int) []*nats.Msg {
	var all []*nats.Msg
	readEvents(b, js, n, func(m jetstream.Msg) {
		again := &nats.Msg{Subject: m.Subject(), Data: m.Data(), Header: m.Headers()}
		for name := range again.Header {
			if len(name) > 5 && name[:5] == "Nats-" {
				delete(again.Header, name)
			}
		}
		all = append(all, again)
	})
	return all
}

// bareStream connects and makes the stream that 'eventsvc forward --create' makes.
func bareStream(b *testing.B, s *server) (*nats.Conn, jetstream.JetStream) {
	b.Helper()
	nc, err := nats.Connect(s.url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(b.Context(), jetstream.StreamConfig{
		Name: "EVENTS", Subjects: []string{"containers.events.>"}, Storage: jetstream.FileStorage, Compression: jetstream.S2Compression,
		AllowAtomicPublish: true, AllowDirect: true, DenyDelete: true,
	}); err != nil {
		b.Fatal(err)
	}
	return nc, js
}

// publishBatches is the peer of a forwarder: the fence of one host, batches of 500.
func publishBatches(b *testing.B, s *server, all []*nats.Msg) float64 {
	b.Helper()
	nc, js := bareStream(b, s)
	began, last := time.Now(), 0
	for batch := range slices.Chunk(all, 500) {
		id := nuid.Next()
		batch[0].Header["Nats-Expected-Last-Subject-Sequence"] = []string{strconv.Itoa(last)}
		batch[0].Header["Nats-Expected-Last-Subject-Sequence-Subject"] = []string{"containers.events.h0.>"}
		for i, m := range batch {
			m.Header["Nats-Batch-Id"], m.Header["Nats-Batch-Sequence"] = []string{id}, []string{strconv.Itoa(i + 1)}
			if i < len(batch)-1 {
				if err := nc.PublishMsg(m); err != nil {
					b.Fatal(err)
				}
				continue
			}
			m.Header["Nats-Batch-Commit"] = []string{"1"}
			if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
				b.Fatal(err)
			}
		}
		last += len(batch)
	}
	awaitStream(b, js, len(all))
	took := time.Since(began)
	for _, m := range all {
		for name := range m.Header {
			if len(name) > 5 && name[:5] == "Nats-" {
				delete(m.Header, name)
			}
		}
	}
	return rate(len(all), took)
}

// publishAsync publishes the messages of several hosts, without a fence.
func publishAsync(b *testing.B, s *server, per [][]*nats.Msg) float64 {
	b.Helper()
	_, look := bareStream(b, s)
	began, total := time.Now(), 0
	var publishing sync.WaitGroup
	for _, mine := range per {
		total += len(mine)
		publishing.Go(func() {
			nc, err := nats.Connect(s.url)
			if err != nil {
				b.Error(err)
				return
			}
			defer nc.Close()
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1000))
			if err != nil {
				b.Error(err)
				return
			}
			for _, m := range mine {
				if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(10*time.Second)); err != nil {
					b.Error(err)
					return
				}
			}
			<-js.PublishAsyncComplete()
		})
	}
	publishing.Wait()
	awaitStream(b, look, total)
	return rate(total, time.Since(began))
}
