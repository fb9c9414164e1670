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

// TestWritersFlatOutWithRotation runs processes that write and rotate as fast
// as they can. EVENTSVC_STRESS sets how many events each of the four writes.
func TestWritersFlatOutWithRotation(t *testing.T) {
	count := 2000
	if n, err := strconv.Atoi(os.Getenv("EVENTSVC_STRESS")); err == nil {
		count = n
	}
	for _, limit := range []int{50_000, 200_000} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			w := open(t, path, Options{})
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
				if e.Type == "system" {
					rotations++
					continue
				}
				name, number, _ := strings.Cut(e.Name, "-")
				if number != strconv.Itoa(next[name]) {
					t.Fatalf("%s: event %s where %d was due, after %d rotations, %d losses", name, number, next[name], rotations, w.lost)
				}
				next[name]++
			}
			for name, n := range next {
				if n != count {
					t.Errorf("%s: %d events, want %d", name, n, count)
				}
			}
			if w.lost != 0 {
				t.Errorf("continuity was lost %d times", w.lost)
			}
			t.Logf("%d events, %d rotations, %.0f events/s", 4*count, rotations, float64(4*count)/took.Seconds())
		})
	}
}
