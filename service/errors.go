package service

import (
	"context"
	"log/slog"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// newLibrary returns varlink/go's side of the service.
func newLibrary(version string) (*varlink.Service, error) {
	library, err := varlink.NewService(Vendor, Product, version, URL)
	return library, errors.Wrap(err, "cannot make a Varlink service")
}

// hiddenReason is what those are told who may not know where events are kept.
const hiddenReason = "the events cannot be reached now; the log of the service says why, ask the administrator"

// paramError is returned for a parameter whose type is right and whose value is
// not.
type paramError struct{ name string }

func (e *paramError) Error() string { return "cannot accept parameter " + e.name }

// cause returns why the context of a call ended, if that is the error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}

// writeError wraps an error of writing to the client, which nobody can tell it.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// fail answers a call with the error of the contract for what went wrong. The
// cursor is where the stream was, "" if the call is none. It is the one place
// where errors become replies. What it returns ends the connection.
func (f *eventsFace) fail(call *Call, err error, cursor string) error {
	var unwritten writeError
	if errors.As(err, &unwritten) || errors.Is(err, ErrGone) || errors.Is(err, context.Canceled) {
		return err
	}
	return call.reply(f.faultOf(call, err, cursor))
}

// faultOf finds the error of the contract for what went wrong.
func (f *eventsFace) faultOf(call *Call, err error, cursor string) *fault {
	var (
		param       *paramError
		denied      *access.Denied
		filter      *events.FilterError
		badTime     *events.TimeError
		field       *events.FieldError
		badCursor   *events.CursorError
		expired     *events.ExpiredError
		unavailable *events.UnavailableError
	)
	const in = eventsInterface + "."
	switch {
	case errors.As(err, &param):
		return invalidParameter(param.name)
	case errors.As(err, &denied):
		return permissionDenied
	case errors.As(err, &filter):
		return &fault{in + "InvalidFilter", iopodmanevents.InvalidFilter{Filter: filter.Filter, Reason: filter.Reason}}
	case errors.As(err, &badTime):
		return &fault{in + "InvalidTime", iopodmanevents.InvalidTime{
			Field: badTime.Field, Value: badTime.Value, Reason: badTime.Reason,
		}}
	case errors.As(err, &field):
		return &fault{in + "InvalidEvent", iopodmanevents.InvalidEvent{Field: field.Field, Reason: field.Reason}}
	case errors.As(err, &badCursor):
		return &fault{in + "InvalidCursor", iopodmanevents.InvalidCursor{Cursor: badCursor.Cursor, Reason: badCursor.Reason}}
	case errors.As(err, &expired):
		return &fault{in + "CursorExpired", iopodmanevents.CursorExpired{Oldest: expired.Oldest}}
	case errors.Is(err, events.ErrEventNotFound):
		return &fault{name: in + "EventNotFound"}
	case errors.Is(err, feed.ErrClosed), errors.Is(err, ErrStopping):
		var at *string
		if cursor != "" {
			at = &cursor
		}
		return &fault{in + "ShuttingDown", iopodmanevents.ShuttingDown{Cursor: at}}
	case errors.Is(err, events.ErrNoReading):
		return f.backendUnavailable(events.ErrNoReading.Error())
	case errors.As(err, &unavailable):
		f.logFailure(call, err)
		return f.backendUnavailable(f.reason(call, unavailable.Reason))
	}
	f.logFailure(call, err)
	return f.backendUnavailable(f.reason(call, err.Error()))
}

// logFailure tells the administrator what keeps calls from being served, each
// cause once as long as it stays the same: clients try again and again.
func (f *eventsFace) logFailure(call *Call, err error) {
	level := slog.LevelDebug
	text := err.Error()
	if last := f.lastFailure.Swap(&text); last == nil || *last != text {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, "a call failed", "uid", call.Peer().UID, "pid", call.Peer().PID, "error", err)
}

// reason returns the reason, or less for those who may not know where events
// are kept.
func (f *eventsFace) reason(call *Call, reason string) string {
	if f.access.ReadsAll(call.Peer()) {
		return reason
	}
	return hiddenReason
}

func (f *eventsFace) backendUnavailable(reason string) *fault {
	return &fault{eventsInterface + ".BackendUnavailable", iopodmanevents.BackendUnavailable{
		Backend: f.feed.Type().String(), Reason: reason,
	}}
}
