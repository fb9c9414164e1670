package test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// peerRounds is how often each side is measured; the median counts.
const peerRounds = 5

// benchPodman returns a command of Podman on private storage whose log it does
// not rotate, and the path of that log.
func benchPodman(b *testing.B) (command func(args ...string) *exec.Cmd, log string) {
	b.Helper()
	if _, err := exec.LookPath("podman"); err != nil || os.Getuid() != 0 {
		b.Skip("this needs podman and root: run test/peers/install.sh")
	}
	dir := b.TempDir()
	command = func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join("peers", "podman.sh"), append([]string{dir}, args...)...)
		cmd.Env = append(os.Environ(), "EVENTSVC_LOG_MAX_SIZE=10g")
		return cmd
	}
	b.Cleanup(func() { _ = command("--clean").Run() })
	if out, err := command("volume", "create", "first").CombinedOutput(); err != nil {
		b.Fatalf("podman: %v\n%s", err, out)
	}
	out, err := command("--log").Output()
	if err != nil {
		b.Fatal(err)
	}
	return command, strings.TrimSpace(string(out))
}

// containerLine is an event of a container as Podman 5 writes it.
func containerLine(i int, status string) string {
	at := time.Unix(1_790_000_000, int64(i)*1_234_567).UTC().Format(time.RFC3339Nano)
	return fmt.Sprintf(`{"ID":"%064x","Image":"localhost/app%d:latest","Name":"c%d","Status":%q,"Time":%q,"Type":"container",`+
		`"Attributes":{"app":"web%d","io.podman.compose.project":"p%d"}}`, i%5000, i%50, i%5000, status, at, i%50, i%20)
}

// benchDaemon starts a daemon on the log.
func benchDaemon(b *testing.B, log string) *daemon {
	b.Helper()
	d := newDaemon(b)
	d.log = log
	d.start()
	return d
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// drain reads replies as bytes until the last one, and returns how many bytes
// there were.
func (w *wire) drain() (int64, error) {
	var total int64
	for {
		b, err := w.r.ReadSlice(0)
		total += int64(len(b))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return total, err
		case !bytes.HasSuffix(b, []byte("\"continues\":true}\x00")):
			return total, nil
		}
	}
}

// BenchmarkHistoryBesidePodman reads a log of 200,000 events: all of it, one
// status in sixteen, and the last percent by time, from the daemon over a raw
// socket, and with podman events --stream=false. It reports the medians and how
// many times longer podman takes.
func BenchmarkHistoryBesidePodman(b *testing.B) {
	const events = 200_000
	command, log := benchPodman(b)
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(f)
	statuses := strings.Fields("create init start exec exec_died died cleanup remove attach kill stop pause unpause mount unmount sync")
	for i := range events {
		fmt.Fprintln(out, containerLine(i, statuses[i%len(statuses)]))
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	_ = f.Close()
	d := benchDaemon(b, log)
	late := time.Unix(1_790_000_000, int64(events*99/100)*1_234_567).UTC().Format(time.RFC3339Nano)
	for _, work := range []struct {
		name string
		p    params
		args []string
	}{
		{"everything", nil, nil},
		{"one-status", params{"filters": []string{"status=died"}}, []string{"--filter", "event=died"}},
		{"last-percent", params{"since": late}, []string{"--since", late}},
	} {
		b.Run(work.name, func(b *testing.B) {
			for b.Loop() {
				var ours, theirs []time.Duration
				for range peerRounds {
					w, err := dial(d.socket)
					if err != nil {
						b.Fatal(err)
					}
					began := time.Now()
					if err := w.send("GetEvents", work.p, true); err != nil {
						b.Fatal(err)
					}
					if _, err := w.drain(); err != nil {
						b.Fatal(err)
					}
					ours = append(ours, time.Since(began))
					w.close()
					cmd := command(append([]string{"events", "--stream=false", "--format", "json"}, work.args...)...)
					cmd.Stdout = io.Discard
					began = time.Now()
					if err := cmd.Run(); err != nil {
						b.Fatal(err)
					}
					theirs = append(theirs, time.Since(began))
				}
				report(b, median(ours), median(theirs))
			}
		})
	}
}

func report(b *testing.B, ours, theirs time.Duration) {
	b.ReportMetric(float64(ours.Microseconds())/1000, "eventsvc-ms")
	b.ReportMetric(float64(theirs.Microseconds())/1000, "podman-ms")
	b.ReportMetric(float64(theirs)/float64(ours), "times")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLatencyBesidePodman measures how long it takes from an event being
// appended until a follower has it: a subscriber on a socket, and podman events.
func BenchmarkLatencyBesidePodman(b *testing.B) {
	const rounds = 41
	command, log := benchPodman(b)
	d := benchDaemon(b, log)
	podman := command("events", "--format", "json")
	stdout, err := podman.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := podman.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = podman.Process.Kill(); _ = podman.Wait() })
	theirs := bufio.NewReader(stdout)
	ours := d.subscribe(nil)
	p := imitate.Podman{Path: log}
	time.Sleep(time.Second) // for podman, which does not say when it follows
	for b.Loop() {
		var here, there []time.Duration
		for i := range rounds {
			time.Sleep(time.Duration(i*7) * time.Millisecond) // podman polls: meet it at every moment of its period
			began := time.Now()
			if err := p.Write(imitate.Line(fmt.Sprintf("v%d", i), began)); err != nil {
				b.Fatal(err)
			}
			for {
				r, err := ours.recv()
				if err != nil {
					b.Fatal(err)
				}
				if r.Parameters.Event != nil {
					break
				}
			}
			here = append(here, time.Since(began))
			if _, err := theirs.ReadBytes('\n'); err != nil {
				b.Fatal(err)
			}
			there = append(there, time.Since(began))
		}
		report(b, median(here), median(there))
	}
}
