package core

import (
	"math"

	"github.com/eventsvc/eventsvc/events"
)

// CheckExitCode refuses an exit code of more than 32 bits, with or without a
// sign. The error is an *events.FieldError for the field.
func CheckExitCode(field string, code int64) error {
	if code < math.MinInt32 || code > math.MaxUint32 {
		return &events.FieldError{Field: field, Reason: "must be between -2147483648 and 4294967295"}
	}
	return nil
}
