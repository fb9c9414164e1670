package dbus

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// typical returns the n-th of events as a container of a real service has them.
func typical(n int) events.Event {
	e := event(n)
	e.Attributes = map[string]string{
		"PODMAN_SYSTEMD_UNIT": "web.service", "io.containers.autoupdate": "registry", "maintainer": "somebody@example.com",
	}
	return e
}

// benchRig is a server with as many typical events in its store. Broadcasts are
// off: the bus is given by its address, as a system bus.
func benchRig(b *testing.B, count int) *rig {
	b.Helper()
	b.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
	var d *testkit.Bus
	if os.Getenv(otherBus) == "" {
		d = startDaemon(b, buspolicy.Session)
	}
	r := newRig(b, d)
	for from := 0; from < count; from += 5000 {
		var batch []events.Event
		for n := from; n < min(count, from+5000); n++ {
			batch = append(batch, typical(n))
		}
		r.write(batch...)
	}
	return r
}

// drain reads messages as fast as a client in C would, and answers questions,
// until it has read as many signals.
func (c *rawClient) drain(signals int) {
	for signals > 0 {
		const fixedSize = 16
		fixed, err := c.in.Peek(fixedSize)
		if err != nil {
			c.t.Error(err)
			return
		}
		head, _ := c.in.Peek(fixedSize + (int(binary.LittleEndian.Uint32(fixed[12:]))+7)&^7)
		h, size, body, _ := dbuswire.ParseHeader(head)
		if h.Kind == godbus.TypeMethodCall {
			c.answerPing(h)
		}
		c.in.Discard(size + body)
		if h.Kind == godbus.TypeSignal {
			signals--
		}
	}
}

// BenchmarkSignals measures signals that arrive at 1 and 20 clients: directed
// ones, as of a subscription, and those of a broadcast, both beside godbus'.
// godbus sends a directed signal for each client, and a broadcast once.
func BenchmarkSignals(b *testing.B) {
	for _, clients := range []int{1, 20} {
		b.Run(fmt.Sprintf("directed/%d/eventsvc", clients), func(b *testing.B) { benchSubscriptions(b, clients) })
		b.Run(fmt.Sprintf("directed/%d/godbus", clients), func(b *testing.B) { benchGodbus(b, clients, true) })
		b.Run(fmt.Sprintf("broadcast/%d/eventsvc", clients), func(b *testing.B) { benchBroadcast(b, clients) })
		b.Run(fmt.Sprintf("broadcast/%d/godbus", clients), func(b *testing.B) { benchGodbus(b, clients, false) })
	}
}

// signalsEach is how many signals each client gets in a benchmark.
func signalsEach(clients int) int { return 100_000 / (clients + 1) }

func benchSubscriptions(b *testing.B, clients int) {
	count := signalsEach(clients)
	r := benchRig(b, count)
	for b.Loop() {
		measure(b, r.daemon, clients, count, nil, func(all []*rawClient) {
			for _, c := range all {
				c.subscribeAll()
			}
		})
	}
}

func benchBroadcast(b *testing.B, clients int) {
	ownDaemon(b) // nothing is broadcast on a system bus
	count := signalsEach(clients)
	r := newRig(b, nil)
	const batch = 500
	var list []events.Event
	for n := range batch {
		list = append(list, typical(n))
	}
	for b.Loop() {
		measure(b, r.daemon, clients, count/batch*batch, func(c *rawClient) {
			c.addMatch("type='signal',interface='" + eventsInterface + "'")
		}, func([]*rawClient) {
			for range count / batch {
				r.write(list...)
			}
		})
	}
}

// plainBody is the body of a signal as a program with godbus makes it of an
// event. That is part of what a signal costs, as it is for us: every event is
// another.
func plainBody(e *events.Event, sequence uint64) []any {
	return []any{string(e.Type), string(e.Status), e.ID, e.Name, uint64(e.Time.UnixMicro()), dict{
		"cursor": v("faGOqqzb_M4RXRRX5OijN-uQAH"), "image": v(e.Image), "uid": v(uint32(0)), "attributes": v(e.Attributes),
		"sequence": v(sequence),
	}}
}

func benchGodbus(b *testing.B, clients int, directed bool) {
	count := signalsEach(clients)
	r := benchRig(b, 1)
	server := r.client()
	e := typical(1)
	for b.Loop() {
		measure(b, r.daemon, clients, count, func(c *rawClient) {
			if !directed {
				c.addMatch("type='signal',interface='org.example.Plain'")
			}
		}, func(all []*rawClient) {
			for n := range count {
				if !directed {
					server.Emit(eventsPath, "org.example.Plain.Event", plainBody(&e, uint64(n))...)
					continue
				}
				for _, c := range all {
					body := plainBody(&e, uint64(n))
					server.Send(&godbus.Message{Type: godbus.TypeSignal, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
						godbus.FieldPath: v(godbus.ObjectPath(eventsPath)), godbus.FieldInterface: v("org.example.Plain"),
						godbus.FieldMember: v("Event"), godbus.FieldDestination: v(c.unique),
						godbus.FieldSignature: v(godbus.SignatureOf(body...)),
					}}, nil)
				}
			}
		})
	}
}

// addMatch returns when the bus knows the rule.
func (c *rawClient) addMatch(rule string) {
	e := dbuswire.NewEncoder(nil)
	e.Text(rule)
	serial := c.send(&dbuswire.Header{
		Kind: godbus.TypeMethodCall, Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus", Member: "AddMatch", Destination: "org.freedesktop.DBus", Signature: "s",
	}, e.Bytes())
	for h, _ := c.read(); h.ReplySerial != serial; h, _ = c.read() {
	}
}

// measure lets new clients each read as many signals.
func measure(b *testing.B, d *testkit.Bus, count, signals int, prepare func(*rawClient), send func([]*rawClient)) {
	b.StopTimer()
	clients := make([]*rawClient, count)
	for i := range clients {
		clients[i] = connectRaw(b, d.Path)
		clients[i].learnName()
		if prepare != nil {
			prepare(clients[i])
		}
	}
	b.StartTimer()
	began, busTime, ownTime := time.Now(), processorTime(b, d), ownProcessorTime()
	var ended sync.WaitGroup
	ended.Go(func() { send(clients) })
	for _, c := range clients {
		ended.Go(func() { c.drain(signals) })
	}
	ended.Wait()
	total := float64(signals * count)
	b.ReportMetric(total/time.Since(began).Seconds(), "signals/s")
	b.ReportMetric(float64((processorTime(b, d)-busTime).Nanoseconds())/total, "bus-ns/signal")
	b.ReportMetric(float64((ownProcessorTime()-ownTime).Nanoseconds())/total, "own-ns/signal")
	b.StopTimer()
	for _, c := range clients {
		c.sock.Close()
	}
	b.StartTimer()
}

// processorTime is what the bus has used of a processor.
func processorTime(b *testing.B, bus *testkit.Bus) time.Duration {
	b.Helper()
	process := bus.Process()
	if process == nil {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat))
	const ticks = 100 // in a second
	var user, system int64
	fmt.Sscan(fields[13], &user)
	fmt.Sscan(fields[14], &system)
	return time.Duration((user + system) * int64(time.Second) / ticks)
}

// ownProcessorTime is what this process, its clients included, has used.
func ownProcessorTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkLatency measures from the appending of an event to its signal.
func BenchmarkLatency(b *testing.B) {
	r := benchRig(b, 1)
	c := r.client()
	signals := hear(c)
	ask(b, c, "Subscribe", "t", []string{}, dict{})
	var took []time.Duration
	for b.Loop() {
		e := []events.Event{typical(1)}
		began := time.Now()
		if _, err := store.Cursors(r.feed.Write(context.Background(), e)); err != nil {
			b.Fatal(err)
		}
		next(b, signals)
		took = append(took, time.Since(began))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkGetEvents measures a round trip for a page: of the newest event, and
// of as many as a page holds.
func BenchmarkGetEvents(b *testing.B) {
	r := benchRig(b, 2000)
	c := connectRaw(b, r.daemon.Path)
	for _, limit := range []uint32{1, 1000} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			for b.Loop() {
				serial := c.call("GetEvents", "asa{sv}", func(e *dbuswire.Encoder) {
					e.Texts(nil)
					dict1(e, "limit", "u", func() { e.Uint32(limit) })
				})
				for h, _ := c.read(); h.ReplySerial != serial; h, _ = c.read() {
				}
			}
		})
	}
}

// BenchmarkStream measures a stream of a million events.
func BenchmarkStream(b *testing.B) {
	const count = 1_000_000
	r := benchRig(b, count)
	c := r.client()
	for b.Loop() {
		began := time.Now()
		file, in := openStream(b, c, nil, dict{"until": v("2100-01-01"), "from_start": v(true)})
		lines, size := 0, 0
		for lines < count+1 {
			if _, err := in.Peek(1); err != nil {
				b.Fatal(err)
			}
			chunk, _ := in.Peek(in.Buffered())
			for _, letter := range chunk {
				if letter == '\n' {
					lines++
				}
			}
			size += len(chunk)
			in.Discard(len(chunk))
		}
		b.ReportMetric(float64(lines)/time.Since(began).Seconds(), "events/s")
		b.ReportMetric(float64(size)/1e6/time.Since(began).Seconds(), "MB/s")
		file.Close()
	}
}

// nowhere takes what is written.
type nowhere struct{ io.ReadWriteCloser }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkEncode measures what one signal costs this process, without writing
// it: the frame of an event, made once for all subscribers; a signal of it, made
// for each; and a signal of godbus.
func BenchmarkEncode(b *testing.B) {
	text, _ := new(typical(1)).AppendJSON(nil)
	records := recordsOf(b, string(text))
	frame := make([]byte, 0, 4096)
	b.Run("frame", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			frame = appendFrame(frame[:0], &records[0])
		}
	})
	body, detailsAt, _ := nextFrame(frame)
	s := newSignal(subscriptionPath+"/t", ":1.7")
	message := make([]byte, 0, 4096)
	b.Run("signal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			message = s.appendNumbered(message[:0], 1, body, detailsAt, 1)
		}
	})
	b.Run("godbus", func(b *testing.B) {
		conn, err := godbus.NewConn(nowhere{})
		if err != nil {
			b.Fatal(err)
		}
		e := typical(1)
		b.ReportAllocs()
		for b.Loop() {
			if err := conn.Emit(eventsPath, "org.example.Plain.Event", plainBody(&e, 1)...); err != nil {
				b.Fatal(err)
			}
		}
	})
}
