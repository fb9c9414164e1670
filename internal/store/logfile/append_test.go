package logfile

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// Each event of a batch is judged alone, before anything is written.
func TestAppend_eventWithoutALine(t *testing.T) {
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{})
	bad := event(1)
	bad.Time = bad.Time.In(time.FixedZone("", 24*60*60))
	results := w.Append(context.Background(), []events.Event{event(0), bad, event(2)})
	var field *events.FieldError
	if !errors.As(results[1].Err, &field) || field.Field != "time" || results[1].Cursor != "" {
		t.Errorf("the event with a bad time: %+v", results[1])
	}
	for _, i := range []int{0, 2} {
		if results[i].Err != nil || results[i].Cursor == "" {
			t.Errorf("event %d: %+v", i, results[i])
		}
	}
	equal(t, "the log", w.names(2), []string{event(0).Name, event(2).Name})
}
