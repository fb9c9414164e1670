package service

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/metrics"
)

// withAndWithoutMetrics runs a benchmark twice, the second time with everything
// counted.
func withAndWithoutMetrics(b *testing.B, bench func(b *testing.B, r *rig)) {
	b.Run("plain", func(b *testing.B) { bench(b, newRig(b)) })
	b.Run("metrics", func(b *testing.B) {
		bench(b, newRig(b, func(r *rig, _ *Options) {
			m, err := metrics.New("", metrics.Sources{})
			if err != nil {
				b.Fatal(err)
			}
			r.feed.Observe(m)
		}))
	})
}

// BenchmarkSubscribePast streams past events to a client that only counts
// frames. One round is 100,000 events.
func BenchmarkSubscribePast(b *testing.B) { withAndWithoutMetrics(b, benchSubscribePast) }

func benchSubscribePast(b *testing.B, r *rig) {
	const past = 100_000
	for n := 0; n < past; n += 1000 {
		r.write(eventList(n, n+1000)...)
	}
	buf := make([]byte, 256<<10)
	for b.Loop() {
		c := r.dial()
		c.callMore("Subscribe", `{"fromStart":true}`)
		for frames := 0; frames < past+2; { // ready and live beside the events
			n, err := c.conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			frames += bytes.Count(buf[:n], []byte{0})
		}
		c.conn.Close()
	}
	b.ReportMetric(float64(b.N)*past/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLive writes events, a hundred at a time, to a hundred subscribers.
func BenchmarkLive(b *testing.B) { withAndWithoutMetrics(b, benchLive) }

func benchLive(b *testing.B, r *rig) {
	const subscribers, batch = 100, 100
	events := eventList(0, batch)
	counted := make(chan struct{}, subscribers)
	next := make([]chan struct{}, subscribers)
	for i := range next {
		next[i] = make(chan struct{})
		c := r.dial()
		c.callMore("Subscribe", `{}`)
		c.wantMark(true, true, true)
		go func() {
			buf := make([]byte, 64<<10)
			for range next[i] {
				for frames := 0; frames < batch; {
					n, err := c.conn.Read(buf)
					if err != nil {
						b.Error(err)
						return
					}
					frames += bytes.Count(buf[:n], []byte{0})
				}
				counted <- struct{}{}
			}
		}()
	}
	for b.Loop() {
		for i := range next {
			next[i] <- struct{}{}
		}
		r.write(events...)
		for range next {
			<-counted
		}
	}
	for i := range next {
		close(next[i])
	}
	b.ReportMetric(float64(b.N)*subscribers*batch/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkCall asks for the last event, one call after the other.
func BenchmarkCall(b *testing.B) {
	r := newRig(b)
	r.write(eventList(0, 100)...)
	c := r.dial()
	b.ReportAllocs()
	for b.Loop() {
		c.send(`{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
		if _, err := c.in.ReadSlice(0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteEvent writes events on one connection, with one call or many under way.
// One round is one event.
func BenchmarkWriteEvent(b *testing.B) {
	b.Run("1-under-way", func(b *testing.B) { benchCalls(b, 1, writeEventFrame) })
	b.Run("64-under-way", func(b *testing.B) { benchCalls(b, 64, writeEventFrame) })
}

// BenchmarkGetStatus asks for the state of the service, one call after the other.
func BenchmarkGetStatus(b *testing.B) {
	benchCalls(b, 1, `{"method":"io.podman.events.GetStatus","parameters":{}}`+"\x00")
}

const writeEventFrame = `{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"container","status":"died","exitCode":0,` +
	`"id":"b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596","image":"registry.example.org/shop3/web:1.17",` +
	`"name":"shop3_web_4711","attributes":{"com.docker.compose.project":"shop3","com.docker.compose.service":"web"}}}}` + "\x00"

// benchCalls makes calls, so many at a time.
func benchCalls(b *testing.B, together int, frame string) {
	r := newRig(b)
	c := r.dial()
	frames, buf := []byte(strings.Repeat(frame, together)), make([]byte, 64<<10)
	_ = c.conn.SetDeadline(time.Time{})
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += together {
		if _, err := c.conn.Write(frames); err != nil {
			b.Fatal(err)
		}
		for replies := 0; replies < together; {
			n, err := c.conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			replies += bytes.Count(buf[:n], []byte{0})
		}
	}
}
