package events

import (
	"math"
	"math/bits"
	"strings"
	"time"
)

// units are the units of Go and of systemd.time(7) that always have the same length.
var units = map[string]time.Duration{
	"ns": time.Nanosecond, "nsec": time.Nanosecond,
	"us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "usec": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day,
	"w": 7 * day, "week": 7 * day, "weeks": 7 * day,
}

const day = 24 * time.Hour

// uneven are units for which systemd uses an average, which is not what people mean.
var uneven = map[string]bool{"M": true, "month": true, "months": true, "y": true, "year": true, "years": true}

// parseDuration parses "10m", "1h30m", "2 weeks", "1 hour ago", "-10m". signed reports
// that the value means the same in since and in until. ok is false if the value does
// not look like a duration.
func parseDuration(value string) (d time.Duration, signed, ok bool, reason string) {
	text, ago := strings.CutSuffix(value, " ago")
	backwards := ago
	if text != "" && (text[0] == '-' || text[0] == '+') {
		backwards, signed = backwards || text[0] == '-', true
		text = text[1:]
	}
	if ago {
		if signed {
			return 0, true, true, "it has both a sign and 'ago'; give one of them"
		}
		signed = true
	}
	if text == "0" {
		return 0, signed, true, ""
	}
	if text != "" && isNumeral(rune(text[0])) {
		// A duration in Go's form is exactly what Go, and so Podman, takes it for.
		if d, err := time.ParseDuration(text); err == nil {
			if backwards {
				d = -d
			}
			return d, signed, true, ""
		}
	}
	for text != "" {
		number := text[:prefixOf(text, isNumeral)]
		text = strings.TrimLeft(text[len(number):], " ")
		unit := text[:prefixOf(text, func(r rune) bool { return !isNumeral(r) && r != ' ' })]
		text = strings.TrimLeft(text[len(unit):], " ")
		if uneven[unit] && number != "" {
			return 0, signed, true, "months and years have no fixed length; give weeks or days, or a date"
		}
		length, known := units[unit]
		if number == "" || !known {
			return 0, signed, false, ""
		}
		part, fits := multiply(number, length)
		if d += part; !fits || d < part {
			return 0, signed, strings.Count(number, ".") <= 1 && number != ".", "it is too long; give at most 292 years in days"
		}
		ok = true
	}
	if backwards {
		d = -d
	}
	return d, signed, ok, ""
}

func isNumeral(r rune) bool { return r >= '0' && r <= '9' || r == '.' }

// prefixOf returns how many bytes at the beginning of a text are of a kind.
func prefixOf(text string, is func(rune) bool) int {
	if i := strings.IndexFunc(text, func(r rune) bool { return !is(r) }); i >= 0 {
		return i
	}
	return len(text)
}

// multiply returns a multiple of a unit, exact to the nanosecond.
func multiply(number string, unit time.Duration) (time.Duration, bool) {
	whole, fraction, _ := strings.Cut(number, ".")
	if whole+fraction == "" || strings.Contains(fraction, ".") {
		return 0, false
	}
	var d time.Duration
	for i := range len(whole) {
		digit := time.Duration(whole[i] - '0')
		if d > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		d = 10*d + digit
	}
	if d > math.MaxInt64/unit {
		return 0, false
	}
	d = time.Duration(int64(d) * int64(unit))
	// A day has fewer than 10^14 ns: further digits make no difference.
	const digits = 15
	fraction = fraction[:min(len(fraction), digits)]
	scale, rest := uint64(1), uint64(0)
	for i := range len(fraction) {
		rest, scale = 10*rest+uint64(fraction[i]-'0'), 10*scale
	}
	high, low := bits.Mul64(rest, uint64(unit))
	quotient, _ := bits.Div64(high, low, scale)
	part := time.Duration(quotient)
	return d + part, d <= math.MaxInt64-part
}
