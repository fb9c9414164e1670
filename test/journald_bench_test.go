//go:build systemd

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

	"github.com/eventsvc/eventsvc/test/testkit"
)

// exportStart is the time of the first entry of writeExport, and exportStep the time
// between two entries.
const (
	exportStart = 1_790_000_000_000_000 // µs
	exportStep  = 1_234                 // µs
)

var exportStatuses = strings.Fields("create init start exec exec_died died cleanup remove attach kill stop pause unpause mount health_status sync")

// writeExport writes a number of entries in the format of journalctl -o export. Every
// tenth is an event of Podman, of 5,000 containers and 30 networks; of those of
// containers, each sixteenth is a died event.
func writeExport(w io.Writer, entries int) error {
	out := bufio.NewWriterSize(w, 1<<20)
	for i := range entries {
		at := exportStart + int64(i)*exportStep
		fmt.Fprintf(out, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=51a5c3f3eb3847d7827ca5123c5208d5\n"+
			"_TRANSPORT=journal\n_UID=0\n_GID=0\n_HOSTNAME=host\nPRIORITY=6\n_PID=%d\n_SOURCE_REALTIME_TIMESTAMP=%d\n", at, at-exportStart+1, i%30000+2, at-20)
		if i%10 != 0 {
			fmt.Fprintf(out, "SYSLOG_IDENTIFIER=service%d\n_COMM=service%d\n_SYSTEMD_UNIT=service%d.service\nMESSAGE=request %d took %d ms\n\n", i%40, i%40, i%40, i, i%977)
			continue
		}
		n := i / 10
		stamp := time.UnixMicro(at).Add(-100 * time.Microsecond).UTC().Format(time.RFC3339Nano)
		verdict := ""
		if exportStatuses[n%len(exportStatuses)] == "health_status" {
			verdict = []string{"healthy", "healthy", "unhealthy", "starting"}[n/16%4]
		}
		id, status := fmt.Sprintf("%064x", n%5000), exportStatuses[n%len(exportStatuses)]
		if status == "sync" && n%7 == 0 {
			fmt.Fprintf(out, "SYSLOG_IDENTIFIER=podman\n_COMM=podman\nPODMAN_EVENT=connect\nPODMAN_TYPE=network\nPODMAN_TIME=%s\nPODMAN_ID=%s\n"+
				"PODMAN_NETWORK_NAME=net%d\nMESSAGE=%s network connect %s (container=%s, name=net%d)\n\n", stamp, id, n%30, stamp, id, id, n%30)
			continue
		}
		fmt.Fprintf(out, "SYSLOG_IDENTIFIER=podman\n_COMM=podman\nPODMAN_EVENT=%s\nPODMAN_TYPE=container\nPODMAN_TIME=%s\nPODMAN_ID=%s\n"+
			"PODMAN_NAME=c%d\nPODMAN_IMAGE=localhost/app%d:latest\nPODMAN_HEALTH_STATUS=%s\n"+
			"PODMAN_LABELS={\"app\":\"web%d\",\"io.podman.compose.project\":\"p%d\"}\n", status, stamp, id, n%5000, n%50, verdict, n%50, n%20)
		if code := n % 3; status == "died" && (code != 0 || n%2 == 0) { // Podman before 5 leaves out 0
			fmt.Fprintf(out, "PODMAN_EXIT_CODE=%d\n", code)
		}
		fmt.Fprintf(out, "MESSAGE=%s container %s %s (image=localhost/app%d:latest, name=c%d)\n\n", stamp, status, id, n%50, n%5000)
	}
	return out.Flush()
}

// importGenerated makes a journal of a generated export.
func importGenerated(tb testing.TB, entries int, dir string) {
	tb.Helper()
	export := filepath.Join(testkit.ShortDir(tb), "export")
	f, err := os.Create(export)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if err := writeExport(f, entries); err != nil {
		tb.Fatal(err)
	}
	importJournal(tb, export, dir)
}

func hostMachineID(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		tb.Skip("this needs a machine ID")
	}
	return strings.TrimSpace(string(b))
}

// BenchmarkJournalBesidePeers reads a journal of 1,000,000 entries, 100,000 of
// them events: all of these, one status in sixteen, one container, and the last
// percent by time; from the daemon over a raw socket, with podman events, and
// with journalctl and the same matches. It reports the medians and how many
// times longer the others take.
func BenchmarkJournalBesidePeers(b *testing.B) {
	const entries = 1_000_000
	r := newRoom(b)
	command := benchPodman(b)
	importGenerated(b, entries, filepath.Join(r.dir, "var", hostMachineID(b)))
	d := r.startDaemon()
	late := time.UnixMicro(exportStart + entries*99/100*exportStep).UTC()
	id := fmt.Sprintf("%064x", 17)
	for _, work := range []struct {
		name       string
		p          params
		podman     []string
		journalctl []string
	}{
		{"everything", nil, nil, nil},
		{"one-status", params{"filters": []string{"status=died"}}, []string{"--filter", "event=died"}, []string{"PODMAN_EVENT=died"}},
		{"one-container", params{"filters": []string{"container=" + id}}, []string{"--filter", "container=" + id}, []string{"PODMAN_ID=" + id}},
		{"one-container-by-name", params{"filters": []string{"container=c17"}}, []string{"--filter", "container=c17"}, []string{"PODMAN_NAME=c17"}},
		{
			"last-percent",
			params{"since": late.Format(time.RFC3339Nano)},
			[]string{"--since", late.Format(time.RFC3339Nano)},
			[]string{"--since", late.Format("2006-01-02 15:04:05 UTC")},
		},
	} {
		b.Run(work.name, func(b *testing.B) {
			for b.Loop() {
				var ours, podmans, journalctls []time.Duration
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
					args := command(append([]string{"--events-backend", "journald", "events", "--stream=false", "--format", "json"}, work.podman...)...)
					podmans = append(podmans, r.timed(b, args.Env, args.Args...))
					journalctls = append(journalctls, r.timed(b, nil, append([]string{"journalctl", "-q", "-o", "json", "SYSLOG_IDENTIFIER=podman"}, work.journalctl...)...))
				}
				b.ReportMetric(float64(median(journalctls).Microseconds())/1000, "journalctl-ms")
				b.ReportMetric(float64(median(journalctls))/float64(median(ours)), "times-journalctl")
				report(b, median(ours), median(podmans))
			}
		})
	}
}

// timed runs a command in the room and returns how long it took.
func (r *room) timed(b *testing.B, env []string, args ...string) time.Duration {
	b.Helper()
	if path, err := filepath.Abs(args[0]); err == nil && strings.Contains(args[0], "/") {
		args[0] = path
	}
	cmd := r.command(args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, io.Discard, os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkJournalLatency measures how long it takes from an entry being sent to
// journald until a follower has read the event from its socket, and what share of a core
// the daemon uses for polling, with a follower and without.
func BenchmarkJournalLatency(b *testing.B) {
	r := startRoom(b)
	d := r.startDaemon()
	const idle = 10 * time.Second
	shareOf := func(f func()) float64 {
		began, before := time.Now(), cpuTime(b, d.cmd)
		f()
		return float64(cpuTime(b, d.cmd)-before) / float64(time.Since(began)) * 100
	}
	share := func() float64 { return shareOf(func() { time.Sleep(idle) }) }
	idleShare := share()
	w := d.subscribe(nil)
	followingShare := share()
	stop := make(chan struct{})
	go func() { // what other programs have to say
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				_ = sendEntry(r.socket(), map[string]string{"SYSLOG_IDENTIFIER": "other", "MESSAGE": "busy"})
			}
		}
	}()
	busyShare := share()
	close(stop)
	const rounds = 500
	for b.Loop() {
		var took []time.Duration
		eventsShare := shareOf(func() {
			for i := range rounds {
				time.Sleep(time.Duration(1+i%37) * time.Millisecond) // meet the daemon at every moment of its period
				began := time.Now()
				if err := sendEntry(r.socket(), podmanEntry(fmt.Sprintf("v%d", i), began)); err != nil {
					b.Fatal(err)
				}
				for {
					reply, err := w.recv()
					if err != nil {
						b.Fatal(err)
					}
					if reply.Parameters.Event != nil {
						break
					}
				}
				took = append(took, time.Since(began))
			}
		})
		b.ReportMetric(eventsShare, "following-50-events/s-%")
		b.ReportMetric(idleShare, "idle-%")
		b.ReportMetric(followingShare, "following-%")
		b.ReportMetric(busyShare, "following-busy-%")
		b.ReportMetric(float64(median(took).Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// cpuTime returns the processor time that a process has taken.
func cpuTime(tb testing.TB, cmd *exec.Cmd) time.Duration {
	tb.Helper()
	if tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", cmd.Process.Pid)); len(tasks) > 0 {
		var sum time.Duration // to the nanosecond, where the kernel counts that
		for _, task := range tasks {
			var ns time.Duration
			if b, err := os.ReadFile(task); err == nil {
				_, _ = fmt.Sscan(string(b), &ns)
			}
			sum += ns
		}
		return sum
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(user+system) * (time.Second / 100)
}

// peerRounds is how often each side is measured; the median counts.
const peerRounds = 5

// benchPodman returns a command of Podman on private storage.
func benchPodman(b *testing.B) (command func(args ...string) *exec.Cmd) {
	b.Helper()
	if _, err := exec.LookPath("podman"); err != nil || os.Getuid() != 0 {
		b.Skip("this needs podman and root: run test/peers/install.sh")
	}
	dir := b.TempDir()
	command = func(args ...string) *exec.Cmd {
		return exec.Command(filepath.Join("peers", "podman.sh"), append([]string{dir}, args...)...)
	}
	b.Cleanup(func() { _ = command("--clean").Run() })
	if out, err := command("volume", "create", "first").CombinedOutput(); err != nil {
		b.Fatalf("podman: %v\n%s", err, out)
	}
	return command
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func report(b *testing.B, ours, theirs time.Duration) {
	b.ReportMetric(float64(ours.Microseconds())/1000, "eventsvc-ms")
	b.ReportMetric(float64(theirs.Microseconds())/1000, "podman-ms")
	b.ReportMetric(float64(theirs)/float64(ours), "times")
	b.ReportMetric(0, "ns/op")
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
