package eventline

import (
	"testing"
	"time"
)

// zones are some in which the clock is changed, by less than an hour or by none too, and
// some in which it has seconds.
var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia", "Pacific/Apia"}

// FuzzClock holds every form against package time. One clock prints both times, in the
// order in which they come.
func FuzzClock(f *testing.F) {
	for _, seed := range []int64{0, 1, 1e9, 1795437940, -62135596800, 253402300799, -1830383032, 1301166000, 1301151600} {
		f.Add(seed, seed%1e9, seed+1, 86400, "CET", seed&1 == 0)
	}
	f.Add(int64(1795437940), int64(120), int64(-3), -3*3600-1800, "", false)
	f.Fuzz(func(t *testing.T, seconds, nanoseconds, later int64, offset int, name string, isFixed bool) {
		zone := time.FixedZone(name, offset%100_000)
		if !isFixed {
			var err error
			if zone, err = time.LoadLocation(zones[uint(offset)%uint(len(zones))]); err != nil {
				t.Skip("no time zones here: ", err)
			}
		}
		c := NewClock(zone)
		for _, at := range []time.Time{time.Unix(seconds, nanoseconds), time.Unix(later, 0), time.Unix(seconds, 1)} {
			if got, want := string(c.appendHuman(nil, at)), at.In(zone).Format(humanForm); got != want {
				t.Errorf("%v: %s, want %s", at, got, want)
			}
			if got, want := string(c.appendRFC3339(nil, at)), at.In(zone).Format(jsonForm); got != want {
				t.Errorf("%v: %s, want %s", at, got, want)
			}
		}
	})
}
