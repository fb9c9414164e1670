package dbus

import (
	"encoding/json"
	"io"
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
)

// What stands before the name of an error of the contract: on the bus, and
// in the last line of a stream, which is Varlink's.
const (
	errorPrefix  = eventsInterface + ".Error."
	streamPrefix = "io.podman.events."
)

// fault is an error as a caller gets it, on the bus or in the last line of a
// stream.
type fault struct {
	name       string // of D-Bus, or, if it is an error of the contract, without errorPrefix
	contract   bool
	message    string
	parameters map[string]string // of the error in the contract
}

// onBus is the error on the bus.
func (f *fault) onBus() *dbuswire.Error {
	name := f.name
	if f.contract {
		name = errorPrefix + name
	}
	return &dbuswire.Error{Name: name, Message: f.message}
}

func standard(name, message string) *fault { return &fault{name: name, message: message} }

func contractual(name, message string, parameters map[string]string) *fault {
	return &fault{name: name, contract: true, message: message, parameters: parameters}
}

// stopping is the message for calls, subscriptions and streams that end because
// the service stops.
const stopping = "the service is stopping: call again with the last cursor once it is back"

// hiddenReason is what those are told who may not know where events are kept.
const hiddenReason = "the events cannot be reached now; the log of the service says why, ask the administrator"

// faultOf finds the error for what went wrong. The cursor is where a stream
// was, "" if there is none. It is the one place where errors become replies.
func (s *Server) faultOf(err error, peer *access.Peer, cursor string) *fault {
	var (
		ready     *dbuswire.Error
		denied    *access.Denied
		filter    *events.FilterError
		badTime   *events.TimeError
		field     *events.FieldError
		badCursor *events.CursorError
		expired   *events.ExpiredError
	)
	switch {
	case errors.As(err, &ready):
		return standard(ready.Name, ready.Message)
	case errors.Is(err, core.ErrPanicked):
		return standard(dbuswire.ErrFailed, err.Error())
	case errors.As(err, &denied):
		return standard(dbuswire.ErrAccessDenied, "permission denied: "+denied.Reason)
	case errors.As(err, &filter):
		return contractual("InvalidFilter", err.Error(), map[string]string{"filter": filter.Filter, "reason": filter.Reason})
	case errors.As(err, &badTime):
		return contractual("InvalidTime", err.Error(), map[string]string{
			"field": badTime.Field, "value": badTime.Value, "reason": badTime.Reason,
		})
	case errors.As(err, &field):
		return contractual("InvalidEvent", err.Error(), map[string]string{"field": field.Field, "reason": field.Reason})
	case errors.As(err, &badCursor):
		return contractual("InvalidCursor", err.Error(), map[string]string{
			"cursor": badCursor.Cursor, "reason": badCursor.Reason,
		})
	case errors.As(err, &expired):
		return contractual("CursorExpired", err.Error()+": give from_start, or after: "+expired.Oldest,
			map[string]string{"oldest": expired.Oldest})
	case errors.Is(err, events.ErrEventNotFound):
		return contractual("EventNotFound", "no event matches", nil)
	case errors.Is(err, feed.ErrClosed), errors.Is(err, dbuswire.ErrStopping):
		var parameters map[string]string
		if cursor != "" {
			parameters = map[string]string{"cursor": cursor}
		}
		return contractual("ShuttingDown", stopping, parameters)
	}
	return s.unavailable(err, peer)
}

// unavailable is the error for a store that cannot be read or written, or for
// whatever else went wrong behind this interface.
func (s *Server) unavailable(err error, peer *access.Peer) *fault {
	var known *events.UnavailableError
	reason, level := err.Error(), slog.LevelError
	switch {
	case errors.Is(err, events.ErrNoReading):
		reason, level = events.ErrNoReading.Error(), slog.LevelDebug
	case errors.As(err, &known):
		reason, level = known.Reason, slog.LevelWarn
	}
	s.log.Log(s.Context(), level, "a D-Bus call failed", "uid", peer.UID, "pid", peer.PID, "error", err)
	if level != slog.LevelDebug && !s.access.ReadsAll(peer) {
		reason = hiddenReason
	}
	return contractual("BackendUnavailable", reason, map[string]string{"backend": s.feed.Type().String(), "reason": reason})
}

// lastLine is the last line of a stream: why it ended.
func (s *Server) lastLine(err error, peer *access.Peer, cursor string) []byte {
	if errors.Is(err, io.EOF) {
		return append(eventjson.AppendCursor([]byte(`{"end":true,"cursor":`), cursor), '}', '\n')
	}
	f := s.faultOf(err, peer, cursor)
	name := f.name
	if f.contract {
		name = streamPrefix + f.name
	}
	parameters := f.parameters
	if parameters == nil {
		parameters = map[string]string{}
	}
	line, _ := json.Marshal(struct {
		Error      string            `json:"error"`
		Parameters map[string]string `json:"parameters"`
	}{name, parameters})
	return append(line, '\n')
}
