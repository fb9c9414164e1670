// Package sleep waits for a time, unless a context ends first.
package sleep

import (
	"context"
	"time"
)

// For waits for d. It returns false at once when the context is done.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
