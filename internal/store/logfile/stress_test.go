package logfile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/busy"
	"github.com/eventsvc/eventsvc/test/imitate"
)

// The environment that makes this test binary a writer that imitates Podman.
const (
	writerPath  = "EVENTSVC_TEST_WRITER_PATH"
	writerName  = "EVENTSVC_TEST_WRITER_NAME"
	writerLimit = "EVENTSVC_TEST_WRITER_LIMIT"
	writerCount = "EVENTSVC_TEST_WRITER_COUNT"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		os.Exit(writeAsPodman(path))
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + 4) // as eventsvc serve does, and for the same reason
	os.Exit(m.Run())
}

// writerRate is how many events a writer writes in a second; there are four.
const writerRate = 10000

func writeAsPodman(path string) int {
	limit, _ := strconv.ParseInt(os.Getenv(writerLimit), 10, 64)
	count, _ := strconv.Atoi(os.Getenv(writerCount))
	name := os.Getenv(writerName)
	p := imitate.Podman{Path: path, Limit: limit, Markers: imitate.Markers(len(name) % 2)}
	began := time.Now()
	for i := range count {
		if ahead := time.Duration(i)*time.Second/writerRate - time.Since(began); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		if err := p.Write(imitate.Line(fmt.Sprintf("%s-%d", name, i), time.Now())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	fmt.Println(p.Rotations)
	return 0
}

// TestFollow_writersFlatOut runs four processes that together write 40,000 events a
// second and rotate the log as Podman does. EVENTSVC_STRESS sets how many events each
// writes.
//
// A generation of 100 kB then lasts ten milliseconds or so. On a loaded machine one may
// go unseen, which has to be reported: the test is tried again after a reported loss,
// and fails at once after an unreported one. If other programs used much of the
// processors in most of the tries, it only proves that each loss is reported.
func TestFollow_writersFlatOut(t *testing.T) {
	count := 2000
	if n, err := strconv.Atoi(os.Getenv("EVENTSVC_STRESS")); err == nil {
		count = n
	}
	const tries = 5
	for _, limit := range []int{100_000, 1_000_000} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			var hampered, lost int
			for range tries {
				mark := busy.Now()
				if lost = writeFlatOut(t, limit, count); lost == 0 {
					return
				}
				others := mark.Others()
				t.Logf("others had %.0f %% of the processors", 100*others)
				if others >= busy.Much {
					hampered++
				}
			}
			if hampered > tries/2 {
				t.Logf("in %d of %d runs others had too much of the processors; every loss was reported", hampered, tries)
				return
			}
			t.Errorf("continuity was lost in each of %d runs, in the last %d times", tries, lost)
		})
	}
}

// writeFlatOut returns how often continuity was lost. It checks what was delivered
// without a loss.
func writeFlatOut(t *testing.T, limit, count int) (lost int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{})
	defer w.Close()
	began := time.Now()
	var writers []*exec.Cmd
	for i := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), writerPath+"="+path, writerLimit+"="+strconv.Itoa(limit),
			writerName+"="+strings.Repeat("w", i+1), writerCount+"="+strconv.Itoa(count))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, cmd)
	}
	for _, cmd := range writers {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	if err := w.Look(); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	next := make(map[string]int)
	rotations := 0
	for i := range w.got {
		e := w.got[i].Event()
		if e.Type == events.System {
			rotations++
			continue
		}
		name, text, _ := strings.Cut(e.Name, "-")
		number, err := strconv.Atoi(text)
		if err != nil || number < next[name] || number > next[name] && w.lost == 0 {
			t.Fatalf("%s: event %s where %d was due, after %d rotations, %d losses", name, text, next[name], rotations, w.lost)
		}
		next[name] = number + 1
	}
	for name, n := range next {
		if n != count && w.lost == 0 {
			t.Errorf("%s: %d events, want %d", name, n, count)
		}
	}
	t.Logf("%d events, %d rotations, %d losses, %.0f events/s", 4*count, rotations, w.lost, float64(4*count)/took.Seconds())
	return w.lost
}
