package fleet

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// removedQuickly is a store of which each cursor has expired by the time it is used, that of
// the oldest event too.
type removedQuickly struct{ store.Store }

func (removedQuickly) Read(_ context.Context, start store.Start, _ store.Query) (store.Reading, error) {
	if start.After != "" {
		return nil, &events.ExpiredError{Oldest: "oldest"}
	}
	return fromHead{}, nil
}

type fromHead struct{ store.Reading }

// What is collected after a gap begins with the oldest event that there is then, not
// with what was the oldest when the gap was found.
func TestFromJournal_beginsAfterGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	file, err := OpenLog(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	f := &FromJournal{Log: log}
	reading, err := f.begin(t.Context(), removedQuickly{}, "gone", &Sink{collector: NewCollector(file, log)})
	if err != nil || reading != store.Reading(fromHead{}) {
		t.Errorf("it reads %v, %v", reading, err)
	}
	if text, _ := os.ReadFile(path); strings.Count(string(text), `"events-lost"`) != 1 {
		t.Errorf("the log has %q", text)
	}
}
