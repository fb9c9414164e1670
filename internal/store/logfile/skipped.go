package logfile

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// logPause is the least time between two log messages about a new file, or about lines
// that were left out once there were skipBurst of them. With a small size limit Podman
// rotates its log many times a second, and a log may be garbage.
const logPause = 10 * time.Second

// skipBurst is how many lines that were left out are logged individually.
const skipBurst = 20

// maxSkips bounds the offsets remembered for each generation, so that a line is counted
// once however often it is read.
const maxSkips = 1 << 16

// skips counts and logs the lines that are not events.
type skips struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	count  uint64
	last   string // where the last of them is, and the reason
	logged int    // of the burst
	silent uint64 // since the last one that was logged
	since  time.Time
}

// note counts a line that could not be decoded, once.
func (n *skips) note(g *generation, off int64, reason error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, again := g.skipped[off]; again || len(g.skipped) >= maxSkips {
		return
	}
	if g.skipped == nil {
		g.skipped = make(map[int64]struct{})
	}
	g.skipped[off] = struct{}{}
	n.count++
	n.last = fmt.Sprintf("%s, byte %d: %v", filepath.Base(n.path), off, reason)
	now := time.Now()
	if now.Sub(n.since) >= logPause {
		n.logged, n.since = 0, now
	}
	if n.logged++; n.logged > skipBurst {
		n.silent++
		return
	}
	n.log.Warn("left out a line of the log", "path", n.path, "offset", off, "reason", reason, "notLogged", n.silent)
	n.silent = 0
}

// total returns how many lines were left out, and where the last is and why.
func (n *skips) total() (count uint64, last string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count, n.last
}
