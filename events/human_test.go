package events

import (
	"testing"
	"time"
)

// A time is printed as time.Format prints it.
func FuzzHumanTime(f *testing.F) {
	for _, seed := range []int64{0, 1, 1e9, 1795437940354929405, 1795437940000000000, -62135596800, 253402300799} {
		f.Add(seed, seed%1e9, int(seed%86400), "CET")
	}
	f.Add(int64(1795437940), int64(120), -3*3600-1800, "")
	f.Fuzz(func(t *testing.T, seconds, nanoseconds int64, offset int, zone string) {
		at := time.Unix(seconds, nanoseconds).In(time.FixedZone(zone, offset%100_000))
		if got, want := string(appendHumanTime(nil, at)), at.Format(humanTime); got != want {
			t.Errorf("%d.%d: %s, want %s", seconds, nanoseconds, got, want)
		}
	})
}
