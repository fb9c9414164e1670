package nanos

import (
	"math"
	"strconv"
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

// Times are read as package time reads them.
func TestParse_asPackageTime(t *testing.T) {
	for _, text := range []string{
		"2026-11-23T12:46:17.155133005Z", "2026-11-23T12:46:17Z", "2026-11-23T12:46:17.1+01:00", "2000-02-29T23:59:59-11:30",
		"1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "1678-01-01T00:00:00Z", "2261-12-31T23:59:59Z",
		"2100-03-01T00:00:00Z", "1900-02-28T00:00:00Z", "2026-11-23T12:46:17.12345678Z", "2026-11-23T12:46:17.000000001+00:00",
		"2026-11-23T12:46:17.999999999Z", "2026-11-23T12:46:17.987654321-01:30", "2026-11-23T12:46:17.102030405Z",
	} {
		want, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Parse([]byte(text)); !ok || got != want.UnixNano() {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, ok, want.UnixNano())
		}
	}
	for _, text := range []string{
		"", "2026-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T12:46:17.Z", "2026-11-23T12:46:17", "2026-11-23 12:46:17Z",
		"2026-11-23T12:46:17.1234567891Z", "2026-11-23T12:46:60Z", "2026-11-23T12:46:17+24:00", "2026-11-23T12:46:17.1234:6789Z",
		"2026-11-23T12:46:17./23456789Z", "2026-11-23T12:46:17.12345678:Z", "2026-11-23T12:46:17.1234\xb56789Z", "2026-13-01T00:00:00Z",
	} {
		if _, ok := Parse([]byte(text)); ok {
			t.Errorf("Parse takes %q", text)
		}
	}
}

// Digits are those of package strconv.
func TestAppend_asStrconv(t *testing.T) {
	for _, ns := range []int64{
		0, 1, -1, 999, 1e9, 1e18 - 1, 1e18, 1e18 + 1, 1795437717795029572, 2000000000000000000, 9007080090010203040,
		math.MaxInt64, math.MinInt64,
	} {
		if got, want := string(Append([]byte("x"), ns)), "x"+strconv.FormatInt(ns, 10); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
