// Package nanos converts a time to nanoseconds since the epoch.
package nanos

import (
	"math"
	"time"
)

// Of returns the time in nanoseconds since 1970-01-01 00:00:00 UTC. Times before 1678
// and after 2262 are clamped.
func Of(t time.Time) int64 {
	const first, last = math.MinInt64 / int64(time.Second), math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case s <= first:
		return math.MinInt64
	case s >= last:
		return math.MaxInt64
	}
	return t.UnixNano()
}
