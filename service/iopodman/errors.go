package iopodman

import (
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/service"
)

// Advice that a client prints where the fault itself has none.
const (
	stoppingReason = "cannot go on: the event service is stopping; run the command again when it is back"
	expiredReason  = "cannot go on: the event log was replaced, and events may have been lost; run the command again, " +
		"with --since to see what the log still holds"
	deniedHint = "; ask the administrator, or run the command as root"
)

// fail answers a call with an error, in words: of any error but ErrorOccurred an old
// client prints only the name. An error that it returns ends the connection.
func (f *handler) fail(call *varlinkwire.Call, err error) error {
	fault := service.FaultOf(f.core, call, err, "")
	if fault == nil {
		return err
	}
	return call.ReplyError(errorOccurred, ErrorOccurred{Reason: reason(fault)})
}

// reason returns what went wrong, and what to do.
func reason(f *core.Fault) string {
	switch f.Kind {
	case core.PermissionDenied:
		return f.Message + deniedHint
	case core.CursorExpired:
		return expiredReason
	case core.ShuttingDown:
		return stoppingReason
	}
	return f.Message
}
