package iopodman_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// oldServerRate is how many replies a second the server of Podman 1.9.3 sends
// to a raw socket.
const oldServerRate = 104_000

// history writes a log of n events as long as those that Podman writes, about
// 240 bytes each.
func (r *rig) history(n int) {
	r.t.Helper()
	f, err := os.Create(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	at := time.Date(2020, 5, 22, 12, 0, 0, 123456789, time.UTC)
	for i := range n {
		fmt.Fprintf(w, `{"ID":"%064x","Image":"docker.io/library/alpine:latest","Name":"container-%d","Status":%q,"Time":%q,"Type":"container","Attributes":null}`+"\n",
			i, i, []string{"create", "start", "died", "remove"}[i%4], at.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339Nano))
	}
	if err := w.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// countReplies reads until the blank event, and returns how many replies there
// were before it.
func countReplies(t testing.TB, conn io.Reader) int {
	t.Helper()
	buf, end, count := make([]byte, 1<<20), []byte(blank+"\x00"), 0
	for tail := []byte(nil); !bytes.HasSuffix(tail, end); {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		count += bytes.Count(buf[:n], []byte{0})
		tail = append(tail, buf[max(0, n-len(end)):n]...)
		tail = tail[max(0, len(tail)-len(end)):]
	}
	return count - 1
}

// BenchmarkAHistoryToARawSocket measures a history of 500,000 events, from the
// log file to the buffer of a client that does nothing but count. Each operation
// is a history. The figure to compare replies/s with is that of the old server.
func BenchmarkAHistoryToARawSocket(b *testing.B) {
	const events = 500_000
	for _, test := range []struct {
		name, filter string
		want         int
	}{
		{"everything", ``, events},
		{"one status of four", `"event=died"`, events / 4},
		{"one container", `"container=container-77"`, 1},
	} {
		b.Run(strings.ReplaceAll(test.name, " ", "-"), func(b *testing.B) {
			r := newRoom(b)
			r.history(events)
			r.serveLog()
			conn := r.dial()
			if err := conn.SetDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
			replies := 0
			for b.Loop() {
				request := `{"method":"io.podman.GetEvents","parameters":{"filter":[` + test.filter + `],"since":"2000-01-01","until":"0s"},"more":true}`
				if _, err := io.WriteString(conn, request+"\x00"); err != nil {
					b.Fatal(err)
				}
				got := countReplies(b, conn)
				if got != test.want {
					b.Fatalf("%d replies, want %d", got, test.want)
				}
				replies += got
			}
			rate := float64(replies) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "replies/s")
			if test.filter == "" {
				b.ReportMetric(oldServerRate, "old-server-replies/s")
				b.ReportMetric(rate/oldServerRate, "times-the-old-server")
			}
			b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events-read/s")
		})
	}
}
