package iopodman

import (
	"context"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/service"
)

// What a client prints where the error of the core says less than its user
// needs: what to do.
const (
	stoppingReason = "cannot go on: the event service is stopping; run the command again when it is back"
	expiredReason  = "cannot go on: the event log was replaced, and events may have been lost; run the command again, " +
		"with --since to see what the log still holds"
	hiddenReason = "cannot read events: they cannot be reached now; the log of the event service says why, " +
		"ask the administrator"
	deniedHint = "; ask the administrator, or run the command as root"
)

// cause returns why the context of a call ended, if that is the error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}

// fail answers a call with what went wrong, in words: of any error but
// ErrorOccurred an old client prints the name alone. What it returns ends the
// connection.
func (f *face) fail(call *service.Call, err error) error {
	if errors.Is(err, service.ErrGone) || errors.Is(err, context.Canceled) {
		return err
	}
	return call.ReplyError(errorOccurred, ErrorOccurred{Reason: f.reason(call, err)})
}

// reason says what went wrong, and what to do.
func (f *face) reason(call *service.Call, err error) string {
	var (
		denied  *access.Denied
		filter  *events.FilterError
		badTime *events.TimeError
		expired *events.ExpiredError
	)
	switch {
	case errors.As(err, &filter):
		return filter.Error()
	case errors.As(err, &badTime):
		return badTime.Error()
	case errors.As(err, &denied):
		return denied.Error() + deniedHint
	case errors.As(err, &expired):
		return expiredReason
	case errors.Is(err, feed.ErrClosed), errors.Is(err, service.ErrStopping):
		return stoppingReason
	case errors.Is(err, events.ErrNoReading):
		return events.ErrNoReading.Error()
	}
	f.log.Warn("a call failed", "method", "io.podman.GetEvents", "uid", call.Peer().UID, "pid", call.Peer().PID, "error", err)
	// Where the events are kept is not for everybody.
	if !f.access.ReadsAll(call.Peer()) {
		return hiddenReason
	}
	return err.Error()
}
