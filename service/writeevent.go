package service

import (
	"context"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// WriteEvent stores an event and answers with its cursor. If the client disconnects,
// the request is carried out all the same.
func (f *handler) WriteEvent(ctx context.Context, c iopodmanevents.VarlinkCall, in iopodmanevents.NewEvent) error {
	call := varlinkwire.CallOf(c.Conn)
	event, err := f.core.ToWrite(Caller(call), newEvent(&in))
	if err != nil {
		return f.fail(call, err, "")
	}
	return call.Later(&writing{c, event}, func(items []any) error { return f.writeAll(ctx, items) })
}

// writing is a call of WriteEvent whose event is to be stored.
type writing struct {
	call  iopodmanevents.VarlinkCall
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
			if err := f.fail(varlinkwire.CallOf(c.Conn), result.Err, ""); err != nil {
				return err
			}
		} else if err := c.ReplyWriteEvent(ctx, result.Cursor); err != nil {
			return err
		}
	}
	return nil
}

func newEvent(in *iopodmanevents.NewEvent) *core.NewEvent {
	e := &core.NewEvent{
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
