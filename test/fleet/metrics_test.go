package fleet

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// number returns one metric, read as curl --unix-socket does.
func number(t testing.TB, socket, name string) float64 {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	reply, err := client.Get("http://eventsvc/metrics")
	if err != nil {
		return -1 // it is about to listen
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\neventsvc_"+name+" ")
	if !found {
		t.Fatalf("there is no %s:\n%s", name, text)
	}
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func awaitNumber(t testing.TB, socket, name string, is func(float64) bool) {
	t.Helper()
	for range 1500 {
		if is(number(t, socket, name)) {
			return
		}
		time.Sleep(20 * time.Millisecond) // between two scrapes
	}
	t.Fatalf("%s is %v", name, number(t, socket, name))
}

// The metrics of a forwarder and a collector show their progress, a fault, and that it is
// over.
func TestFleet_metrics(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	dir := filepath.Dir(h.socket)
	forwarder, collector := filepath.Join(dir, "f"), filepath.Join(dir, "c")
	h.forward(s, "--metrics", "unix:"+forwarder)
	c := startCollector(t, s, "--metrics", "unix:"+collector)
	is := func(want float64) func(float64) bool { return func(n float64) bool { return n == want } }
	quiet := func(events float64) {
		t.Helper()
		for socket, prefix := range map[string]string{forwarder: "forward_", collector: "collect_"} {
			awaitNumber(t, socket, prefix+"fault", is(0))
			awaitNumber(t, socket, prefix+"events_total", is(events))
			awaitNumber(t, socket, prefix+"waiting_events", is(0))
			awaitNumber(t, socket, prefix+"lag_seconds", is(0))
			awaitNumber(t, socket, prefix+"gaps_total", is(0))
		}
	}
	quiet(0)
	h.write(100)
	quiet(100)
	s.end(syscall.SIGKILL)
	h.write(50)
	for socket, prefix := range map[string]string{forwarder: "forward_", collector: "collect_"} {
		awaitNumber(t, socket, prefix+"fault", is(1))
		awaitNumber(t, socket, prefix+"lag_seconds", func(n float64) bool { return n > 0.1 })
	}
	s.again()
	quiet(150)
	awaitNumber(t, forwarder, "forward_checkpoints_total", func(n float64) bool { return n > 0 })
	awaitNumber(t, collector, "collect_proofs_total", func(n float64) bool { return n >= 2 })
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
	h.serving.end(syscall.SIGKILL)
	awaitNumber(t, forwarder, "forward_fault", is(1))
	h.serving.start()
	awaitNumber(t, forwarder, "forward_fault", is(0)) // though nothing happens
	awaitNumber(t, forwarder, "forward_lag_seconds", is(0))
}
