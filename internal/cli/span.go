package cli

import (
	"strconv"
	"time"

	"github.com/pkg/errors"
)

// span is a duration as a flag: in Go's form, or a number of seconds.
type span time.Duration

// Set parses a duration.
func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if seconds, failed := strconv.ParseUint(text, 10, 32); failed == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 {
		return errors.Errorf("%q is not a time: give seconds, or 90s, 10m or 1h30m", text)
	}
	*s = span(d)
	return nil
}

// String returns the duration, "0" for none, which the help leaves out.
func (s *span) String() string {
	if *s == 0 {
		return "0"
	}
	return time.Duration(*s).String()
}

// Type is the word for the value in the help.
func (s *span) Type() string { return "time" }
