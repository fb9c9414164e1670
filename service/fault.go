package service

import (
	"encoding/json"

	"github.com/eventsvc/eventsvc/events"
)

// fault is an error reply: its name, with its interface, and its parameters, a
// struct with names for encoding/json, or nil.
type fault struct {
	name       string
	parameters any
}

// The errors of org.varlink.service. varlink/go refuses to send them by name,
// so their frames are made here.
const (
	errInterfaceNotFound    = serviceInterface + ".InterfaceNotFound"
	errMethodNotFound       = serviceInterface + ".MethodNotFound"
	errMethodNotImplemented = serviceInterface + ".MethodNotImplemented"
	errInvalidParameter     = serviceInterface + ".InvalidParameter"
	errPermissionDenied     = serviceInterface + ".PermissionDenied"
	errExpectedMore         = serviceInterface + ".ExpectedMore"
)

func invalidParameter(name string) *fault {
	return &fault{errInvalidParameter, struct {
		Parameter string `json:"parameter"`
	}{name}}
}

func interfaceNotFound(name string) *fault {
	return &fault{errInterfaceNotFound, struct {
		Interface string `json:"interface"`
	}{name}}
}

func methodNotFound(method string) *fault {
	return &fault{errMethodNotFound, struct {
		Method string `json:"method"`
	}{method}}
}

func methodNotImplemented(method string) *fault {
	return &fault{errMethodNotImplemented, struct {
		Method string `json:"method"`
	}{method}}
}

var (
	permissionDenied = &fault{name: errPermissionDenied}
	expectedMore     = &fault{name: errExpectedMore}
)

// frame returns the reply, with its NUL.
func (f *fault) frame() ([]byte, error) {
	frame := append([]byte(nil), `{"error":`...)
	frame = events.AppendString(frame, f.name)
	frame = append(frame, `,"parameters":`...)
	parameters := noParameters
	if f.parameters != nil {
		var err error
		if parameters, err = json.Marshal(f.parameters); err != nil {
			return nil, err
		}
	}
	frame = append(frame, parameters...)
	return append(frame, "}\x00"...), nil
}
