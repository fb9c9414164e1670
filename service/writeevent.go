package service

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// WriteEvent stores an event and answers with its cursor. If the client disconnects,
// the request is carried out all the same.
func (f *handler) WriteEvent(ctx context.Context, c iopodmanevents.VarlinkCall, in iopodmanevents.NewEvent) error {
	call := varlinkwire.CallOf(c.Conn)
	given := newEvent(&in)
	event, err := f.core.ToWrite(Caller(call), &given)
	if err != nil {
		return f.fail(call, err, "")
	}
	return call.Later(&writing{call, event}, func(items []any) error { return f.writeAll(ctx, items) })
}

// writing is a call of WriteEvent whose event is to be stored.
type writing struct {
	call  *varlinkwire.Call
	event events.Event
}

// writeAll stores the events of calls that a client sent together, and answers each.
func (f *handler) writeAll(ctx context.Context, items []any) error {
	batch := make([]events.Event, len(items))
	for i := range items {
		batch[i] = items[i].(*writing).event
	}
	for i, result := range f.core.Write(ctx, batch) {
		c := items[i].(*writing).call
		if result.Err != nil {
			if err := f.fail(c, result.Err, ""); err != nil {
				return err
			}
		} else if err := c.WriteFrame(writtenFrame(result.Cursor)); err != nil {
			return err
		}
	}
	return nil
}

// writtenFrame returns the reply for a stored event, with its NUL.
func writtenFrame(cursor string) []byte {
	frame := append(make([]byte, 0, len(cursor)+48), `{"parameters":{"cursor":`...)
	frame = eventjson.AppendCursor(frame, cursor)
	return append(frame, "}}\x00"...)
}

func newEvent(in *iopodmanevents.NewEvent) core.NewEvent {
	e := core.NewEvent{
		Type: string(in.Type), Status: string(in.Status), Time: in.Time, ID: text(in.Id), Name: text(in.Name), Image: text(in.Image),
		PodID: text(in.PodId), Network: text(in.Network), ExitCode: in.ExitCode, HealthStatus: text(in.HealthStatus),
		HealthLog: text(in.HealthLog), HealthFailingStreak: in.HealthFailingStreak, Error: text(in.Error),
	}
	if in.Attributes != nil {
		e.Attributes = *in.Attributes
	}
	return e
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
