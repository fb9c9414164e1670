package service

import (
	"encoding/json"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
)

// writeError wraps an error of writing to the client, of which the client cannot
// learn.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// fail answers a call with what went wrong. The cursor is where the stream was, ""
// if the call is none. What it returns ends the connection.
func (f *eventsFace) fail(call *Call, err error, cursor string) error {
	var unwritten writeError
	if errors.As(err, &unwritten) || errors.Is(err, core.ErrGone) {
		return err
	}
	return call.reply(spell(f.core.FaultOf(err, call.Peer(), cursor)))
}

// spell makes an error reply of a fault.
func spell(f *core.Fault) *fault {
	switch f.Kind {
	case core.InvalidParameter:
		return invalidParameter(f.Get("parameter"))
	case core.PermissionDenied:
		return permissionDenied
	}
	return &fault{eventsInterface + "." + f.Kind.InContract(), parameters(f.Parameters)}
}

// parameters are encoded in their order.
type parameters []core.Parameter

func (p parameters) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i := range p {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(events.AppendString(text, p[i].Name), ':')
		text = events.AppendString(text, p[i].Value)
	}
	return append(text, '}'), nil
}

var _ json.Marshaler = parameters(nil)
