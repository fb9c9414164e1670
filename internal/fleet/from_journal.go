package fleet

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// FromJournal collects the events of all users that Podman has written to the journal.
// The user of an event is the one that journald recorded.
type FromJournal struct {
	// Open opens the journal. It is called for each round, and the store is closed
	// at its end.
	Open func() (store.Store, error)
	Log  *slog.Logger
}

// journalPlaceMark begins the place of a line from the journal. Its cursor is the
// line's own.
const journalPlaceMark = placeMember + `journal"}`

// journalEvery is how often the journal is polled.
const journalEvery = 2 * time.Second

// Collect collects until the journal cannot be read.
func (f *FromJournal) Collect(ctx context.Context, sink *Sink) error {
	st, err := f.Open()
	if err != nil {
		return err
	}
	defer st.Close()
	arrived := make(chan struct{}, 1)
	_, _, err = st.Follow(func(store.Emission) {
		signal(arrived)
	})
	if err != nil {
		return errors.WithMessage(err, "cannot follow the journal")
	}
	st.Attend(true)
	after, err := lastCursor(sink, journalPlaceMark)
	if err != nil {
		return err
	}
	reading, err := f.begin(ctx, st, after, sink)
	if err != nil {
		return err
	}
	defer reading.Close()
	sink.Fault(nil)
	var batch store.Batch
	var lines []byte
	for {
		err := reading.Next(ctx, &batch)
		switch {
		case errors.Is(err, io.EOF):
			select {
			case <-arrived:
			case <-time.After(journalEvery):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		case err != nil:
			return err // if the position has expired, the next round reports it
		}
		var done Counts
		lines = lines[:0]
		for i := range batch.Records {
			lines = appendJournal(lines, &batch.Records[i], &done)
		}
		if err := sink.Append(lines, done); err != nil {
			return err
		}
	}
}

// begin begins to read after a cursor, or reports that the journal no longer holds what
// follows it.
func (f *FromJournal) begin(ctx context.Context, st store.Store, after string, sink *Sink) (store.Reading, error) {
	reading, err := st.Read(ctx, store.Start{After: after}, store.Everything())
	var expired *events.ExpiredError
	if !errors.As(err, &expired) {
		return reading, err
	}
	f.Log.Warn("events were lost: the journal no longer holds what follows the last collected", "after", after, "oldest", expired.Oldest)
	text, err := lostLine("journal", after, expired.Oldest, -1, expired.Oldest)
	if err != nil {
		return nil, err
	}
	if err := sink.Append(appendJournalPlace(text), Counts{Gaps: 1}); err != nil {
		return nil, err
	}
	return st.Read(ctx, store.Start{}, store.Everything()) // the oldest of then may be gone by now
}

// appendJournal appends a record of the journal, unless it becomes too long.
func appendJournal(lines []byte, r *store.Record, done *Counts) []byte {
	text := r.Line
	if r.Fields.Extra {
		e := r.Fields.Event(r.Line)
		e.Extra = nil
		var err error
		if text, err = e.AppendJSON(nil); err != nil {
			done.Refused++
			return lines
		}
	}
	if len(text) > line.MaxLine-roomOfOrigin {
		done.Refused++
		return lines
	}
	lines = append(lines, text...)
	lines = appendJournalPlace(line.AppendOrigin(lines, r.Host, r.UID, string(r.Cursor)))
	done.Events++
	done.Lag = time.Since(time.Unix(0, r.Fields.Time))
	return lines
}

func appendJournalPlace(lines []byte) []byte {
	return append(append(lines[:len(lines)-1], journalPlaceMark...), '\n')
}

// lastCursor returns the cursor of the last line that ends with the mark, "" if there
// is none.
func lastCursor(sink *Sink, mark string) (cursor string, err error) {
	end := []byte(mark)
	err = sink.Tail(math.MaxInt64, func(text []byte) bool {
		if bytes.HasSuffix(text, end) {
			_, _, cursor, _, _ = line.OriginCursor(text)
		}
		return cursor == ""
	})
	return cursor, err
}
