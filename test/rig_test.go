// Package test holds the end-to-end tests: the built daemon, watched from
// outside over its sockets, with real peers as producers and as clients.
//
// If a peer is not installed, the tests that need it are skipped, and name the script
// that installs it; with EVENTSVC_REQUIRE_PEERS=1, as in CI, they fail.
// The counts of the long tests are parameters (see counts); their seed is
// printed, and EVENTSVC_SEED sets it.
package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// binary is the daemon under test, built by TestMain.
var binary string

// The environment that makes this test binary a writer that imitates Podman.
const (
	writerPath    = "EVENTSVC_TEST_WRITER_PATH"
	writerName    = "EVENTSVC_TEST_WRITER_NAME"
	writerLimit   = "EVENTSVC_TEST_WRITER_LIMIT"
	writerCount   = "EVENTSVC_TEST_WRITER_COUNT"
	writerRate    = "EVENTSVC_TEST_WRITER_RATE"
	writerMarkers = "EVENTSVC_TEST_WRITER_MARKERS"

	// journalSocket makes it a writer to a journal instead.
	journalSocket = "EVENTSVC_TEST_JOURNAL_SOCKET"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(journalSocket); socket != "" {
		os.Exit(imitatePodmanInJournal(socket))
	}
	if path := os.Getenv(writerPath); path != "" {
		os.Exit(imitatePodman(path))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "eventsvc-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if os.Getenv(unitUnderTest) != "" {
		return m.Run() // it is installed
	}
	binary = filepath.Join(dir, "eventsvc")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", buildTags, "-o", binary, "../cmd/eventsvc")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build eventsvc: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// imitatePodman writes as one Podman process does, and prints how often it
// rotated the log.
func imitatePodman(path string) int {
	number := func(name string) int { n, _ := strconv.Atoi(os.Getenv(name)); return n }
	name, count, rate := os.Getenv(writerName), number(writerCount), number(writerRate)
	p := imitate.Podman{Path: path, Limit: int64(number(writerLimit)), Markers: imitate.Markers(number(writerMarkers))}
	began := time.Now()
	for i := range count {
		if rate > 0 {
			if ahead := time.Duration(i)*time.Second/time.Duration(rate) - time.Since(began); ahead > time.Millisecond {
				time.Sleep(ahead)
			}
		}
		if err := p.Write(imitate.Line(fmt.Sprintf("%s-%d", name, i), time.Now())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	fmt.Println(p.Rotations)
	return 0
}

// counts returns how often a long test repeats its work: the short count, or the count
// for CI if EVENTSVC_LONG is set, multiplied by its value if that is a number.
func counts(short, ci int) int {
	long := os.Getenv("EVENTSVC_LONG")
	if long == "" {
		return short
	}
	if times, err := strconv.Atoi(long); err == nil && times > 1 {
		return ci * times
	}
	return ci
}

// byHand reports whether to run tests that take too long for CI: EVENTSVC_LONG=2.
func byHand() bool { return os.Getenv("EVENTSVC_LONG") == "2" }

// random returns a source whose seed is printed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("EVENTSVC_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("EVENTSVC_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// needRoot skips the test for other users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this needs root")
	}
}

// peer returns a command of test/peers, or skips the test if its program is missing.
func peer(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	if script == "varlinkctl.sh" || script == "pyvarlink.sh" {
		_ = trixie(t)
	}
	return exec.Command(filepath.Join("peers", script), args...)
}

// trixie returns the path of the Debian tree of test/peers/trixie.sh, or skips the test
// if it is missing.
func trixie(t *testing.T) string {
	t.Helper()
	tree := testkit.Peers("trixie")
	if _, err := os.Stat(filepath.Join(tree, "usr", "bin", "varlinkctl")); err != nil {
		testkit.Missing(t, "the trixie tree with varlinkctl", "test/peers/trixie.sh")
	}
	return tree
}
