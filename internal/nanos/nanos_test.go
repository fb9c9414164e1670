package nanos

import (
	"math"
	"testing"
	"time"
)

// TestOf_endsOfTheRange: exact where the number fits, and the nearest where not.
func TestOf_endsOfTheRange(t *testing.T) {
	for _, test := range []struct {
		at   time.Time
		want int64
	}{
		{time.Unix(0, 0), 0},
		{time.Unix(0, -1), -1},
		{time.Unix(1795437717, 795029572), 1795437717795029572},
		{time.Unix(-1795437717, 795029572), -1795437717*1e9 + 795029572},
		{time.Unix(9223372035, 999999999), 9223372035999999999},
		{time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), math.MaxInt64},
		{time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC), math.MinInt64},
		{time.Time{}, math.MinInt64},
	} {
		if got := Of(test.at); got != test.want {
			t.Errorf("%s is %d, want %d", test.at, got, test.want)
		}
	}
}
