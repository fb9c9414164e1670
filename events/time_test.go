package events_test

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// clock is the time that durations are counted from in these tests.
var clock = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

// A time is understood in every form.
func TestParseTime_everyForm(t *testing.T) {
	ago := func(d time.Duration) string { return clock.Add(-d).Format(time.RFC3339Nano) }
	ahead := func(d time.Duration) string { return clock.Add(d).Format(time.RFC3339Nano) }
	for _, test := range []struct {
		name, value, since, until string // until is empty where both bounds mean the same
	}{
		{"RFC 3339", "2026-11-23T12:41:57Z", "2026-11-23T12:41:57Z", ""},
		{"RFC 3339 with a fraction", "2026-11-23T12:41:57.795029572Z", "2026-11-23T12:41:57.795029572Z", ""},
		{"RFC 3339 with a short fraction", "2026-11-23T12:41:57.5Z", "2026-11-23T12:41:57.5Z", ""},
		{"RFC 3339 east of Greenwich", "2026-11-23T12:41:57.1+02:00", "2026-11-23T10:41:57.1Z", ""},
		{"RFC 3339 west of Greenwich", "2026-11-23T12:41:57-05:30", "2026-11-23T18:11:57Z", ""},
		{"without a zone, in UTC", "2026-11-23T12:41:57", "2026-11-23T12:41:57Z", ""},
		{"without a zone, with a fraction", "2026-11-23T12:41:57.795029572", "2026-11-23T12:41:57.795029572Z", ""},
		{"more digits than nanoseconds have", "2026-11-23T12:41:57.1234567899Z", "2026-11-23T12:41:57.123456789Z", ""},
		{"without seconds", "2026-11-23T12:41", "2026-11-23T12:41:00Z", ""},
		{"without seconds, with a zone", "2026-11-23T12:41+01:00", "2026-11-23T11:41:00Z", ""},
		{"without minutes", "2026-11-23T12", "2026-11-23T12:00:00Z", ""},
		{"without minutes, with a zone", "2026-11-23T12Z", "2026-11-23T12:00:00Z", ""},
		{"a date, in UTC", "2026-11-23", "2026-11-23T00:00:00Z", ""},
		{"a date with a zone", "2026-11-23+02:00", "2026-11-22T22:00:00Z", ""},
		{"a date in UTC that says so", "2026-11-23Z", "2026-11-23T00:00:00Z", ""},
		{"a leap day", "2028-02-29", "2028-02-29T00:00:00Z", ""},
		{"a day long ago", "1583-10-15", "1583-10-15T00:00:00Z", ""},

		{"a blank instead of T", "2026-11-23 12:41:57", "2026-11-23T12:41:57Z", ""},
		{"a blank instead of T, with fraction and zone", "2026-11-23 12:41:57.5+01:00", "2026-11-23T11:41:57.5Z", ""},
		{"small letters", "2026-11-23t12:41:57z", "2026-11-23T12:41:57Z", ""},
		{"as podman events prints it", "2026-11-23 12:41:57.795029572 +0000 UTC", "2026-11-23T12:41:57.795029572Z", ""},
		{"as podman events prints it elsewhere", "2026-11-23 12:41:57 +0100 CET", "2026-11-23T11:41:57Z", ""},
		{"as podman events prints a zone without a name", "2026-11-23 12:41:57.1 +0545 +0545", "2026-11-23T06:56:57.1Z", ""},
		{"as podman events prints it, without the zone's name", "2026-11-23 12:41:57 -0330", "2026-11-23T16:11:57Z", ""},

		{"Unix seconds", "1795437717", "2026-11-23T12:41:57Z", ""},
		{"Unix seconds with all nanoseconds", "1795437717.795029572", "2026-11-23T12:41:57.795029572Z", ""},
		{"Unix seconds with the last nanosecond", "1795437717.000000001", "2026-11-23T12:41:57.000000001Z", ""},
		{"Unix seconds that a float64 would round", "1795437717.999999999", "2026-11-23T12:41:57.999999999Z", ""},
		{"Unix seconds with a short fraction", "1795437717.5", "2026-11-23T12:41:57.5Z", ""},
		{"Unix seconds with a fraction that begins with zeros", "1795437717.05", "2026-11-23T12:41:57.05Z", ""},
		{"Unix seconds with digits after the nanoseconds", "1795437717.0000000019", "2026-11-23T12:41:57.000000001Z", ""},
		{"Unix seconds with leading zeros", "000000000000000000000000001795437717", "2026-11-23T12:41:57Z", ""},
		{"a small number of seconds with @", "@10", "1970-01-01T00:00:10Z", ""},
		{"nine digits", "999999999", "2001-09-09T01:46:39Z", ""},
		{"the epoch, not a duration of nothing", "0", "1970-01-01T00:00:00Z", ""},
		{"the last second that fits", "9223372036", "2262-04-11T23:47:16Z", ""},

		{"now", "now", ago(0), ""},
		{"a duration: ago in since, ahead in until", "10m", ago(10 * time.Minute), ahead(10 * time.Minute)},
		{"a composed duration", "1h30m10.5s", ago(5410500 * time.Millisecond), ahead(5410500 * time.Millisecond)},
		{"a duration of one nanosecond", "1ns", ago(1), ahead(1)},
		{"a minus is ago in both", "-10m", ago(10 * time.Minute), ""},
		{"a plus is ahead in both", "+10m", ahead(10 * time.Minute), ""},
		{"a signed composed duration", "-1h0m1s", ago(3601 * time.Second), ""},
		{"a signed nothing", "-0s", ago(0), ""},

		{"days", "1d", ago(24 * time.Hour), ahead(24 * time.Hour)},
		{"weeks in words", "2 weeks", ago(14 * 24 * time.Hour), ahead(14 * 24 * time.Hour)},
		{"systemd's units together", "1d 2hr 3min 4sec 5msec", ago(93784005 * time.Millisecond), ahead(93784005 * time.Millisecond)},
		{"half a day", "0.5d", ago(12 * time.Hour), ahead(12 * time.Hour)},
		{"ago means ago in both", "1 hour ago", ago(time.Hour), ""},
		{"several units ago", "1h 30min ago", ago(90 * time.Minute), ""},
		{"a signed span", "-2days", ago(48 * time.Hour), ""},
		{"today", "today", "2026-11-23T00:00:00Z", ""},
		{"yesterday", "yesterday", "2026-11-22T00:00:00Z", ""},
		{"tomorrow", "tomorrow", "2026-11-24T00:00:00Z", ""},
		{"Unix seconds with @", "@1700000000", "2023-11-14T22:13:20Z", ""},
		{"Unix seconds with @ and fraction", "@1700000000.5", "2023-11-14T22:13:20.5Z", ""},
		{"a zone without a colon", "2026-11-23T05:06:05+0130", "2026-11-23T03:36:05Z", ""},
		{"with Go's monotonic clock", "2026-11-23 12:41:57.795029572 +0000 UTC m=+0.030711", "2026-11-23T12:41:57.795029572Z", ""},
		{"as journalctl prints it", "Mon 2026-11-23 12:41:57 UTC", "2026-11-23T12:41:57Z", ""},
		{"with a day of the week, in full", "monday 2026-11-23", "2026-11-23T00:00:00Z", ""},
		{"a time of day", "08:30", "2026-11-23T08:30:00Z", ""},
		{"a time of day with seconds", "08:30:15.5", "2026-11-23T08:30:15.5Z", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.until == "" {
				test.until = test.since
			}
			for bound, want := range map[events.Bound]string{events.Since: test.since, events.Until: test.until} {
				got, err := events.ParseTime(bound, test.value, clock)
				if err != nil {
					t.Errorf("%s %q: %v", bound, test.value, err)
				} else if text := got.UTC().Format(time.RFC3339Nano); text != want {
					t.Errorf("%s %q is %s, want %s", bound, test.value, text, want)
				}
			}
		})
	}
}

// An invalid time is refused, and the error says what is understood.
func TestParseTime_refuses(t *testing.T) {
	const forms = "give RFC 3339 (2006-01-02T15:04:05Z), a date, Unix seconds or 'now'"
	const all = forms + ", or a duration such as 10m, 2d or '1 hour ago'"
	for _, test := range []struct{ name, value, reason string }{
		{"nothing", "", "it is empty; " + all},
		{"a word", "overmorrow", all},
		{"a word with the length of a date", "last-tuesday", all},
		{"Now with a capital", "Now", all},
		{"a blank in front", " 2026-11-23", all},
		{"a blank and nothing after it", "2026-11-23 ", all},
		{"two blanks", "2026-11-23  12:41:57", all},
		{"a zone by its name alone", "2026-11-23 12:41:57 CET", "clocks in this zone do not show CET then; give it with an offset, such as Z or +01:00"},
		{"a blank after it", "2026-11-23 12:41:57 ", all},
		{"a month that there is not", "2026-13-01", "there is no such date; " + all},
		{"a day that there is not", "2026-02-29T00:00:00Z", "there is no such date; " + all},
		{"an hour that there is not", "2026-02-28T24:00:00Z", all},
		{"a zone that there is not", "2026-02-28T12:00:00+99:00", all},
		{"a duration without a unit", "-10", all},
		{"a duration with an unknown unit", "10x", all},
		{"a number without a unit after one with", "1h 30", all},
		{"ago alone", " ago", all},
		{"@ without a number", "@now", "after '@' there have to be Unix seconds"},
		{"a day of the week that it is not", "Tue 2026-11-23 12:41:57 UTC", "that day is a Monday, not a Tuesday"},
		{"a day of the week alone", "Mon", all},
		{"American order", "11/23/2026", all},
		{"a time of day with half of it", "12:41 pm", all},
		{"a date and half of a day", "2026-11-23 12:41 PM", all},
		{"a negative number of seconds", "-1.5", all},
		{"a number in the form of a computer", "1e9", all},
		{"a number in another script", "١٢٣", all},
		{"a point without digits after it", "1795437717.", all},
		{"a point without digits in front", ".5", all},
		{"two points", "1.2.3", all},
		{"only a sign", "-", all},
		{"only a point", ".", all},
		{"infinity", "inf", all},
		{"a date without hyphens", "20261126", "a date has hyphens; give 2026-11-26, or @20261126 for Unix seconds"},
		{"a date and a time without hyphens", "20261126143005", "a date has hyphens; give 2026-11-26 14:30:05, or @20261126143005 for Unix seconds"},
		{"the same without seconds", "202611261430", "a date has hyphens; give 2026-11-26 14:30, or @202611261430 for Unix seconds"},
		{"a year", "2026", "a date has hyphens; give 2026-01-01, or @2026 for Unix seconds"},
		{"a month", "202611", "a date has hyphens; give 2026-11-01, or @202611 for Unix seconds"},
		{"a number without a unit", "10", "it may be seconds since 1970 or a duration without its unit; give @10, or such as 10s"},
		{"eight digits that are no date", "20261326", "it may be seconds since 1970 or a duration without its unit; give @20261326, or such as 20261326s"},
		{"milliseconds", "1795437717795", "it looks like milliseconds; of seconds give @1795437717.795"},
		{"microseconds", "1795437717795029", "it looks like microseconds; of seconds give @1795437717.795029"},
		{"nanoseconds", "1795437717795029572", "it looks like nanoseconds; of seconds give @1795437717.795029572"},
		{"seconds beyond the nanoseconds that fit", "9223372037", "it is too far in the future"},
		{"seconds beyond all numbers", strings.Repeat("9", 400), "it is too far in the future"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, bound := range []events.Bound{events.Since, events.Until, events.Written} {
				got, err := events.ParseTime(bound, test.value, clock)
				var bad *events.TimeError
				if !errors.As(err, &bad) {
					t.Fatalf("%s: %s, %v", bound, got, err)
				}
				want := test.reason
				if bound == events.Written {
					want = strings.Replace(want, all, forms, 1)
				}
				if bad.Field != string(bound) || bad.Value != test.value || bad.Reason != want {
					t.Errorf("%s: %q, %q, %q, want the reason %q", bound, bad.Field, bad.Value, bad.Reason, want)
				}
			}
		})
	}
}

func TestTime_durationsThatAreNone(t *testing.T) {
	for value, reason := range map[string]string{
		"999999999h":    "it is too long; give at most 292 years in days",
		"106752d":       "it is too long; give at most 292 years in days",
		"100000d 9999d": "it is too long; give at most 292 years in days",
		"1 month":       "months and years have no fixed length; give weeks or days, or a date",
		"1M":            "months and years have no fixed length; give weeks or days, or a date",
		"2y ago":        "months and years have no fixed length; give weeks or days, or a date",
		"-1h ago":       "it has both a sign and 'ago'; give one of them",
	} {
		_, err := events.ParseTime(events.Since, value, clock)
		var bad *events.TimeError
		if !errors.As(err, &bad) || bad.Reason != reason {
			t.Errorf("%q: %v, want the reason %q", value, err, reason)
		}
	}
}

// TestTime_ofAZone: clocks that are put forward and back.
func TestTime_ofAZone(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for value, want := range map[string]string{
		"2026-11-23 12:41:57":       "2026-11-23T11:41:57Z",
		"2026-07-01 12:00":          "2026-07-01T10:00:00Z",
		"2026-07-01":                "2026-06-30T22:00:00Z",
		"2026-11-23 12:41:57 +0000": "2026-11-23T12:41:57Z",
		"today":                     "2026-11-22T23:00:00Z",
		"08:30":                     "2026-11-23T07:30:00Z",
		"2026-03-29 01:59":          "2026-03-29T00:59:00Z",
		"2026-03-29 02:30":          "skip",
		"2026-03-29 03:00":          "2026-03-29T01:00:00Z",
		"2026-10-25 01:59":          "2026-10-24T23:59:00Z",
		"2026-10-25 02:30":          "twice",
		"2026-10-25 02:30 +0100":    "2026-10-25T01:30:00Z",
		"2026-10-25 03:00":          "2026-10-25T02:00:00Z",
		// As journalctl prints it.
		"Sun 2026-10-25 02:30:00 CEST": "2026-10-25T00:30:00Z",
		"Sun 2026-10-25 02:30:00 CET":  "2026-10-25T01:30:00Z",
		"Mon 2026-11-23 14:30:05 CET":  "2026-11-23T13:30:05Z",
		"2026-11-23 14:30:05.25 CET":   "2026-11-23T13:30:05Z",
		"2026-11-23 14:30 CET":         "2026-11-23T13:30:00Z",
		"2026-11-23 CET":               "give RFC 3339",
		"Mon 2026-11-23 14:30:05 CEST": "do not show CEST then",
		"Mon 2026-11-23 14:30:05 EST":  "do not show EST then",
		"2026-03-29 02:30:00 CET":      "do not show CET then",
		"Tue 2026-11-23 14:30:05 CET":  "that day is a Monday",
		"2026-11-23 14:30:05 cet":      "give RFC 3339",
		"14:30 CET":                    "give RFC 3339",
		"1700000000":                   "2023-11-14T22:13:20Z",
	} {
		got, err := events.ParseTimeIn(events.Since, value, clock, zone)
		if strings.Contains(want, "-") {
			if text := got.UTC().Format(time.RFC3339); err != nil || text != want {
				t.Errorf("%q is %s, %v, want %s", value, text, err, want)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v", value, got, err)
		}
	}
}

// The time of an event to write is no duration.
func TestParseTime_eventToWrite(t *testing.T) {
	for _, value := range []string{"10m", "-10m", "+1h", "0s"} {
		_, err := events.ParseTime(events.Written, value, clock)
		var bad *events.TimeError
		if !errors.As(err, &bad) || strings.Contains(bad.Reason, "duration") {
			t.Errorf("%q: %v", value, err)
		}
	}
	for value, want := range map[string]string{
		"2026-11-23T12:41:57.795029572+02:00": "2026-11-23T10:41:57.795029572Z",
		"now":                                 "2026-11-23T12:00:00.123456789Z",
	} {
		got, err := events.ParseTime(events.Written, value, clock)
		if text := got.UTC().Format(time.RFC3339Nano); err != nil || text != want {
			t.Errorf("%q is %s, want %s, error %v", value, text, want, err)
		}
	}
}

// A time error names field and value.
func TestParseTime_errorNamesField(t *testing.T) {
	_, err := events.ParseTime(events.Until, "tomorow", clock)
	const want = `cannot understand until "tomorow": give RFC 3339 (2006-01-02T15:04:05Z), a date, Unix seconds or 'now', ` +
		"or a duration such as 10m, 2d or '1 hour ago'"
	if err == nil || err.Error() != want {
		t.Errorf("text is %v,\nwant %s", err, want)
	}
}

// spanForm is the form of systemd's spans of time.
var spanForm = regexp.MustCompile(`^[-+]?( *[0-9.]+ *[a-zµμ]+ *)+( ago)?$`)

// unixForm is the form of Unix seconds, with or without fraction.
var unixForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// unixTime is what Unix seconds mean, computed with as many digits as there
// are. ok is false if they do not fit into 64 bits of nanoseconds.
func unixTime(value string) (at time.Time, ok bool) {
	seconds, _ := new(big.Rat).SetString(value)
	ns := seconds.Mul(seconds, big.NewRat(1e9, 1))
	floor := new(big.Int).Div(ns.Num(), ns.Denom())
	whole, rest := new(big.Int).DivMod(floor, big.NewInt(1e9), new(big.Int))
	if whole.Cmp(big.NewInt(math.MaxInt64/1_000_000_000)) > 0 {
		return time.Time{}, false
	}
	return time.Unix(whole.Int64(), rest.Int64()), true
}

// FuzzParseTime checks the verdict and the value against package time, which
// has its own parser for every form but Unix seconds, and those against package
// math/big.
func FuzzParseTime(f *testing.F) {
	for _, value := range []string{
		"", "now", "0", "1795437717.795029572", "9223372036.9", "10m", "-10m", "+1h2m3.5s", "2026-11-23", "2026-11-23T12",
		"2026-11-23T12:41", "2026-11-23T12:41:57", "2026-11-23T12:41:57.795029572Z", "2026-11-23T12:41:57,5+02:00",
		"2026-11-23Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "2026-02-29",
		"1d", "2 weeks", "1 hour ago", "@1700000000", "yesterday", "Mon 2026-11-23 12:41:57 UTC", "1.5d 3us", "12:30:01", "x m=+0.1", "1", "20261126", "1795437717795",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		since, sinceErr := events.ParseTime(events.Since, value, clock)
		until, untilErr := events.ParseTime(events.Until, value, clock)
		written, writtenErr := events.ParseTime(events.Written, value, clock)
		for bound, err := range map[string]error{"since": sinceErr, "until": untilErr, "time": writtenErr} {
			var bad *events.TimeError
			if err != nil && (!errors.As(err, &bad) || bad.Field != bound || bad.Value != value || bad.Reason == "") {
				t.Fatalf("%s %q: %#v", bound, value, err)
			}
		}
		if (sinceErr == nil) != (untilErr == nil) {
			t.Fatalf("%q: since says %v, until says %v", value, sinceErr, untilErr)
		}
		if writtenErr == nil && (sinceErr != nil || !written.Equal(since) || !written.Equal(until)) {
			t.Fatalf("%q: written %s, since %s, until %s", value, written, since, until)
		}

		for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02", "2006-01-02Z07:00"} {
			want, err := time.Parse(form, value)
			if err == nil {
				_, err = want.AppendText(nil) // of a zone a day and more away
			}
			if err == nil && (writtenErr != nil || !written.Equal(want)) {
				t.Fatalf("%q is %s in the form %s, not %s, %v", value, want, form, written, writtenErr)
			}
		}
		if unixForm.MatchString(value) {
			want, ok := unixTime(value)
			at, atErr := events.ParseTime(events.Written, "@"+value, clock)
			if ok != (atErr == nil) || ok && !at.Equal(want) {
				t.Fatalf("@%q is %s, %v, want %s, %t", value, at, atErr, want, ok)
			}
			if writtenErr == nil && !written.Equal(want) { // without '@' those are refused that may be something else
				t.Fatalf("%q is %s, want %s", value, written, want)
			}
			return
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			if sinceErr == nil && writtenErr != nil && !spanForm.MatchString(value) {
				t.Fatalf("%q is a time as a bound only, but no duration", value)
			}
			return
		}
		if d == math.MinInt64 || sinceErr != nil && strings.Contains(sinceErr.Error(), "too long") { // within a unit of the bound
			return
		}
		if sinceErr != nil || writtenErr == nil {
			t.Fatalf("the duration %q: since says %v, written says %v", value, sinceErr, writtenErr)
		}
		wantSince, wantUntil := clock.Add(-d), clock.Add(d)
		if strings.HasPrefix(value, "-") || strings.HasPrefix(value, "+") {
			wantSince = clock.Add(d)
		}
		if !since.Equal(wantSince) || !until.Equal(wantUntil) {
			t.Fatalf("the duration %q: since %s, want %s; until %s, want %s", value, since, wantSince, until, wantUntil)
		}
	})
}
