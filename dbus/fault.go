package dbus

import (
	"encoding/json"
	"io"
	"strings"
	"unicode"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/eventjson"
)

// Prefixes of the names of the contract's errors: on the bus, and in the last line of a
// stream, which has the Varlink name.
const (
	errorPrefix  = eventsInterface + ".Error."
	streamPrefix = "io.podman.events."
)

// standardNames are the D-Bus errors for the kinds of faults that are not in the
// contract.
var standardNames = map[core.Kind]string{
	core.InvalidParameter: dbuswire.ErrInvalidArgs, core.PermissionDenied: dbuswire.ErrAccessDenied,
	core.LimitsExceeded: dbuswire.ErrLimitsExceeded, core.Failed: dbuswire.ErrFailed,
}

// name returns the name of an error: the contract's with a prefix, or a standard D-Bus
// name.
func name(prefix string, k core.Kind) string {
	if inContract := k.InContract(); inContract != "" {
		return prefix + inContract
	}
	return standardNames[k]
}

// faultOf returns the fault for an error. cursor is where a stream was, "" if there is
// none.
func (s *Server) faultOf(err error, peer *dbuswire.Peer, cursor string) *core.Fault {
	if errors.Is(err, dbuswire.ErrStopping) {
		err = core.ErrStopping
	}
	return s.core.FaultOf(err, who(peer), cursor)
}

// spell turns an error into a D-Bus error.
func (s *Server) spell(err error, peer *dbuswire.Peer, cursor string) *dbuswire.Error {
	var ready *dbuswire.Error
	if errors.As(err, &ready) {
		return ready
	}
	f := s.faultOf(err, peer, cursor)
	message := spellNames(f)
	switch f.Kind {
	case core.CursorExpired:
		message += ": give from_start, or after: " + f.Get("oldest")
	case core.LimitsExceeded:
		s.Refused(peer.Name(), message)
	}
	return &dbuswire.Error{Name: name(errorPrefix, f.Kind), Message: message}
}

// spellNames returns the message of a fault, in which the option or the field that it
// is about is spelt as this interface spells it.
func spellNames(f *core.Fault) string {
	message := f.Message
	for _, named := range []string{"parameter", "field"} {
		var name strings.Builder
		for _, r := range f.Get(named) {
			if unicode.IsUpper(r) {
				name.WriteByte('_')
			}
			name.WriteRune(unicode.ToLower(r))
		}
		if inContract := f.Get(named); name.String() != inContract {
			message = strings.ReplaceAll(message, inContract, name.String())
		}
	}
	return message
}

// lastLine returns the last line of a stream, which says why it ended.
func (s *Server) lastLine(err error, peer *dbuswire.Peer, cursor string) []byte {
	if errors.Is(err, io.EOF) {
		return append(eventjson.AppendCursor([]byte(`{"end":true,"cursor":`), cursor), '}', '\n')
	}
	f := s.faultOf(err, peer, cursor)
	parameters := make(map[string]string)
	for _, p := range f.Parameters {
		parameters[p.Name] = p.Value
	}
	line, _ := json.Marshal(struct {
		Error      string            `json:"error"`
		Parameters map[string]string `json:"parameters"`
	}{name(streamPrefix, f.Kind), parameters})
	return append(line, '\n')
}
