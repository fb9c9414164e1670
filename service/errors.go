package service

import (
	"encoding/json"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// writeError wraps an error from writing to the client, which cannot be sent to it.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// fail answers a call with an error. cursor is where the stream was, "" if the call is
// not a stream. An error that it returns ends the connection.
func (f *handler) fail(call *varlinkwire.Call, err error, cursor string) error {
	var unwritten writeError
	if errors.As(err, &unwritten) {
		return err
	}
	fault := FaultOf(f.core, call, err, cursor)
	if fault == nil {
		return err
	}
	return call.Reply(spell(fault))
}

// spell turns a fault into an error reply.
func spell(f *core.Fault) *varlinkwire.Fault {
	switch f.Kind {
	case core.InvalidParameter:
		return varlinkwire.InvalidParameter(f.Get("parameter"))
	case core.PermissionDenied:
		return varlinkwire.PermissionDenied
	}
	return &varlinkwire.Fault{Name: eventsInterface + "." + f.Kind.InContract(), Parameters: parameters(f.Parameters)}
}

// parameters are encoded in order.
type parameters []core.Parameter

func (p parameters) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i := range p {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(jsonstring.Append(text, p[i].Name), ':')
		text = jsonstring.Append(text, p[i].Value)
	}
	return append(text, '}'), nil
}

var _ json.Marshaler = parameters(nil)
