package service

import (
	"context"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// WriteEvent stores an event and answers with its cursor. It goes on when the
// client is gone: what was asked for is done.
func (f *eventsFace) WriteEvent(ctx context.Context, c iopodmanevents.VarlinkCall, in iopodmanevents.NewEvent) error {
	call := varlinkwire.CallOf(c.Conn)
	cursor, err := f.core.Write(ctx, Caller(call), newEvent(&in))
	if err != nil {
		return f.fail(call, err, "")
	}
	return c.ReplyWriteEvent(ctx, cursor)
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
