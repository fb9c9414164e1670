package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/pkg/errors"
)

// decimal maps the units of a size in containers.conf. They are powers of 1000,
// including "KiB" and the like, as Podman counts them there.
var decimal = map[byte]float64{'b': 1, 'k': 1e3, 'm': 1e6, 'g': 1e9, 't': 1e12, 'p': 1e15}

// parseSize parses a size in the form of containers.conf: a decimal number of bytes, or
// one followed by a unit in any case, with at most one space between: "1m", "1.5 GB",
// "10KiB". The result is in whole bytes and not negative; 0 means no limit.
func parseSize(text string) (int64, error) {
	end := strings.LastIndexAny(text, "0123456789.")
	number, unit := text[:end+1], strings.ToLower(strings.TrimPrefix(text[end+1:], " "))
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, errors.Errorf("%q is not a size", text)
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errors.Errorf("%q is not a size", text)
	}
	if unit != "" {
		factor, known := decimal[unit[0]]
		rest := unit[1:]
		if !known || rest != "" && (unit[0] == 'b' || rest != "b" && rest != "ib") {
			return 0, errors.Errorf("%q is not a size: the unit %q is unknown", text, unit)
		}
		value *= factor
	}
	if value >= math.MaxInt64 {
		return 0, errors.Errorf("%q is too large", text)
	}
	return int64(value), nil
}
