package varlinkwire

import "encoding/json"

// Fault is an error reply.
type Fault struct {
	// Name is the error's name, including the interface.
	Name string
	// Parameters is a struct with names for encoding/json, or nil.
	Parameters any
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

// InvalidParameter is the fault of a parameter with an invalid value.
func InvalidParameter(name string) *Fault {
	return &Fault{errInvalidParameter, struct {
		Parameter string `json:"parameter"`
	}{name}}
}

func interfaceNotFound(name string) *Fault {
	return &Fault{errInterfaceNotFound, struct {
		Interface string `json:"interface"`
	}{name}}
}

func methodNotFound(method string) *Fault {
	return &Fault{errMethodNotFound, struct {
		Method string `json:"method"`
	}{method}}
}

func methodNotImplemented(method string) *Fault {
	return &Fault{errMethodNotImplemented, struct {
		Method string `json:"method"`
	}{method}}
}

// PermissionDenied is the fault of a call that the caller may not make.
var PermissionDenied = &Fault{Name: errPermissionDenied}

var expectedMore = &Fault{Name: errExpectedMore}

// frame returns the reply, with its NUL.
func (f *Fault) frame() ([]byte, error) {
	frame := append([]byte(nil), `{"error":`...)
	name, err := json.Marshal(f.Name)
	if err != nil {
		return nil, err
	}
	frame = append(frame, name...)
	frame = append(frame, `,"parameters":`...)
	parameters := noParameters
	if f.Parameters != nil {
		if parameters, err = json.Marshal(f.Parameters); err != nil {
			return nil, err
		}
	}
	frame = append(frame, parameters...)
	return append(frame, "}\x00"...), nil
}
