package access

import (
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// throttle lets limits.DenialBurst through at once, and then one for each
// limits.DenialPause. The zero value is ready.
type throttle struct {
	mu         sync.Mutex
	spent      int       // of the burst
	since      time.Time // when spent was right
	suppressed int
}

// pass reports whether one more may come through, and how many were held back
// since the last that did.
func (t *throttle) pass() (ok bool, suppressed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if regained := int(now.Sub(t.since) / limits.DenialPause); regained > 0 {
		t.spent = max(0, t.spent-regained)
		t.since = now
	}
	if t.spent >= limits.DenialBurst {
		t.suppressed++
		return false, 0
	}
	t.spent++
	suppressed, t.suppressed = t.suppressed, 0
	return true, suppressed
}
