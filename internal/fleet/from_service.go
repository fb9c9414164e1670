package fleet

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
)

// FromService collects the events of another service, of all users whose events may be
// read there.
type FromService struct {
	// Address is the address of the service, as for the client.
	Address string
	// Host is the name of the service's host; "": this one. An event that the service
	// has collected elsewhere keeps its own host.
	Host string
	Log  *slog.Logger
}

// mark returns what lines of this source end with, after the service's cursor.
func (f *FromService) mark() string {
	return placeMember + "service:" + strconv.FormatUint(xxhash.Sum64String(f.Host+"="+f.Address), 16) + `"}`
}

// Collect collects until the service or the log fails.
func (f *FromService) Collect(ctx context.Context, sink *Sink) error {
	after, err := lastCursor(sink, f.mark())
	if err != nil {
		return err
	}
	service, err := client.New(f.Address)
	if err != nil {
		return err
	}
	defer service.Close()
	var lost *events.ExpiredError
	begun := false // a later gap ends the round: the next begins at the end of the log, and reports it
	s, err := service.Subscribe(ctx, client.SubscribeOptions{
		AllUsers: true, After: after, FromStart: after == "",
		OnExpired: func(e *events.ExpiredError) bool { lost = e; return !begun },
		OnLost:    func(cause error, _ time.Duration) { sink.Fault(errors.WithMessage(cause, "cannot read "+f.Address)) },
		OnResumed: func(int) { sink.Fault(nil) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	begun = true
	sink.Fault(nil)
	if lost != nil {
		e := newLost(f.Host, after, lost.Oldest, time.Now())
		f.Log.Warn("events were lost: a service no longer holds what follows the last collected", "address", f.Address, "after", after, "oldest", lost.Oldest)
		text, err := f.appendEvent(nil, &e)
		if err != nil {
			return err
		}
		if err := sink.Append(text, Counts{Gaps: 1}); err != nil {
			return err
		}
	}
	read := readAhead(ctx, s)
	defer read.stop()
	var lines []byte
	for {
		batch, err := read.next(ctx)
		if err != nil {
			return err
		}
		var done Counts
		lines = lines[:0]
		for i := range batch {
			next, err := f.appendEvent(lines, &batch[i])
			if err != nil {
				done.Refused++
				f.Log.Warn("an event of a service is left out", "address", f.Address, "error", err)
				continue
			}
			lines = next
			done.Events++
			done.Lag = time.Since(batch[i].Time)
		}
		if err := sink.Append(lines, done); err != nil {
			return err
		}
	}
}

// appendEvent appends the line of an event. The service may be any program, so what is
// written unescaped is checked.
func (f *FromService) appendEvent(lines []byte, e *events.Event) ([]byte, error) {
	host := f.Host
	if e.Host != "" {
		if err := CheckHost(e.Host); err != nil {
			return nil, err
		}
		host = e.Host
	}
	if strings.ContainsFunc(e.Cursor, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return nil, errors.Errorf("cannot use the cursor %.80q", e.Cursor)
	}
	plain := *e
	plain.Extra = nil // unknown members could fake an origin
	start := len(lines)
	lines, err := plain.AppendJSON(lines)
	if err != nil {
		return nil, err
	}
	if len(lines)-start > line.MaxLine-roomOfOrigin {
		return nil, line.ErrLong
	}
	uid := int64(-1)
	if e.UID != nil {
		uid = int64(*e.UID)
	}
	lines = line.AppendOrigin(lines, host, uid, e.Cursor)
	return append(append(lines[:len(lines)-1], f.mark()...), '\n'), nil
}
