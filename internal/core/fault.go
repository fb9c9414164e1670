package core

import (
	"context"
	"log/slog"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/messageid"
)

// The causes (context.Cause) with which an interface ends the context of a call.
var (
	// ErrGone is the cause when the client has disconnected.
	ErrGone = errors.New("the client is gone")
	// ErrStopping is the cause when the service stops.
	ErrStopping = errors.New("the service is stopping: call again with the last cursor once it is back")
)

// Kind is the kind of a fault.
type Kind int

// The kinds of faults. Those up to BackendUnavailable are the errors of the contract,
// io.podman.events.varlink, with the same names.
const (
	InvalidFilter Kind = iota
	InvalidTime
	InvalidEvent
	InvalidCursor
	CursorExpired
	EventNotFound
	ShuttingDown
	BackendUnavailable
	// InvalidParameter is a parameter of the right type with a wrong value; its
	// parameter is "parameter".
	InvalidParameter
	// PermissionDenied: the policy does not allow it.
	PermissionDenied
	// LimitsExceeded: a limit is reached.
	LimitsExceeded
	// Failed is a call whose handler panicked.
	Failed
)

var contractNames = [...]string{
	"InvalidFilter", "InvalidTime", "InvalidEvent", "InvalidCursor", "CursorExpired", "EventNotFound", "ShuttingDown", "BackendUnavailable",
}

// InContract returns the name of the error in the contract, "" for the kinds that are
// not in it.
func (k Kind) InContract() string {
	if int(k) < len(contractNames) {
		return contractNames[k]
	}
	return ""
}

// Parameter is a parameter of a fault.
type Parameter struct{ Name, Value string }

// Fault is an error of a call, as reported to the caller. Each interface spells it in
// its own way.
type Fault struct {
	Kind Kind
	// Parameters are those of the contract, in its order.
	Parameters []Parameter
	// Message is for people.
	Message string
}

func (f *Fault) Error() string { return f.Message }

// Get returns the value of a parameter, "" if there is none.
func (f *Fault) Get(name string) string {
	for _, p := range f.Parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// hiddenReason is the reason given to callers that may not know where events are
// stored.
const hiddenReason = "the events cannot be reached now; the log of the service says why, ask the administrator"

// FaultOf turns an error of a call into a fault. No other code does. It logs errors
// that an administrator can do something about. cursor is where a stream was, "" for
// other calls.
func (c *Core) FaultOf(err error, peer *access.Peer, cursor string) *Fault {
	var (
		ready     *Fault
		denied    *access.Denied
		badFilter *filter.Error
		badTime   *events.TimeError
		field     *events.FieldError
		badCursor *events.CursorError
		expired   *events.ExpiredError
	)
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &denied):
		return &Fault{Kind: PermissionDenied, Message: denied.Error()}
	case errors.As(err, &badFilter):
		return &Fault{InvalidFilter, []Parameter{{"filter", badFilter.Filter}, {"reason", badFilter.Reason}}, badFilter.Error()}
	case errors.As(err, &badTime):
		return &Fault{InvalidTime, []Parameter{
			{"field", badTime.Field}, {"value", badTime.Value}, {"reason", badTime.Reason},
		}, badTime.Error()}
	case errors.As(err, &field):
		return &Fault{InvalidEvent, []Parameter{{"field", field.Field}, {"reason", field.Reason}}, field.Error()}
	case errors.As(err, &badCursor):
		return &Fault{InvalidCursor, []Parameter{{"cursor", badCursor.Cursor}, {"reason", badCursor.Reason}}, badCursor.Error()}
	case errors.As(err, &expired):
		if ok, suppressed := c.expiries.Pass(limits.DenialBurst, limits.DenialPause); ok {
			c.log.Info("a cursor has expired", messageid.Expired, "uid", peer.UID, "pid", peer.PID, "oldest", expired.Oldest,
				"notLogged", suppressed)
		}
		return &Fault{CursorExpired, []Parameter{{"oldest", expired.Oldest}}, expired.Error()}
	case errors.Is(err, events.ErrEventNotFound):
		return &Fault{Kind: EventNotFound, Message: "no event matches"}
	case errors.Is(err, feed.ErrClosed), errors.Is(err, ErrStopping), errors.Is(err, context.Canceled):
		f := &Fault{Kind: ShuttingDown, Message: ErrStopping.Error()}
		if cursor != "" {
			f.Parameters = []Parameter{{"cursor", cursor}}
		}
		return f
	case errors.Is(err, errPanicked):
		return &Fault{Kind: Failed, Message: errPanicked.Error()}
	}
	return c.unavailable(err, peer)
}

// unavailable is the fault for a store that cannot be read or written, and for every
// unexpected error.
func (c *Core) unavailable(err error, peer *access.Peer) *Fault {
	if errors.Is(err, events.ErrNoReading) {
		return c.Unavailable(events.ErrNoReading.Error())
	}
	// Clients retry, so each cause is logged once as long as it stays the same.
	level, text := slog.LevelDebug, err.Error()
	if last := c.lastFailure.Swap(&text); last == nil || *last != text {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "a call failed", messageid.Fault, "uid", peer.UID, "pid", peer.PID, "error", err)
	if !c.access.ReadsAll(peer) {
		return c.Unavailable(hiddenReason)
	}
	var known *events.UnavailableError
	if errors.As(err, &known) {
		return c.Unavailable(known.Reason)
	}
	return c.Unavailable(text)
}

// Unavailable is the fault of a call that cannot be served now.
func (c *Core) Unavailable(reason string) *Fault {
	return &Fault{BackendUnavailable, []Parameter{{"backend", c.Backend()}, {"reason", reason}}, reason}
}
