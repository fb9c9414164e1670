package events_test

import (
	"testing"

	"github.com/eventsvc/eventsvc/events"
)

// Errors say what cannot be done and why.
func TestErrors_text(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&events.FieldError{Field: "exitCode", Reason: "it is 300; give 0 to 255"}, "cannot write event: exitCode: it is 300; give 0 to 255"},
		{&events.CursorError{Cursor: "a\nb", Reason: "it is too short"}, `cannot understand cursor "a\nb": it is too short`},
		{
			&events.ExpiredError{Oldest: "x"},
			"cannot resume: the store no longer holds the place after the cursor; events may have been lost, go on from the oldest event",
		},
		{&events.UnavailableError{Backend: events.LogFile, Reason: "cannot read the log"}, "cannot read the log"},
		{
			events.ErrNoReading,
			"cannot read events: the backend is 'none', which keeps no events; set events_logger to file or journald in containers.conf",
		},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%T says\n%s, want\n%s", test.err, got, test.want)
		}
	}
}
