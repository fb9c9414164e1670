package limits

import (
	"sync"
	"time"
)

// Throttle limits how often something is logged. The zero value is ready. It is safe
// for concurrent use.
type Throttle struct {
	mu         sync.Mutex
	spent      int       // of the burst
	since      time.Time // the time for which spent is right
	suppressed int
}

// Pass allows burst messages at once, and then one for each pause. It reports whether
// this one is allowed, and how many were suppressed since the last that was.
func (t *Throttle) Pass(burst int, pause time.Duration) (ok bool, suppressed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if regained := int(now.Sub(t.since) / pause); regained > 0 {
		t.spent = max(0, t.spent-regained)
		t.since = now
	}
	if t.spent >= burst {
		t.suppressed++
		return false, 0
	}
	t.spent++
	suppressed, t.suppressed = t.suppressed, 0
	return true, suppressed
}
