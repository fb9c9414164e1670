package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// Sentinel errors. Their texts are read by people: test with errors.Is.
var (
	// ErrPermissionDenied is returned when the caller may not make a call. It is also a
	// fs.ErrPermission.
	ErrPermissionDenied error = permissionError{}
	// ErrShuttingDown is returned when the service ends a call because it is stopping.
	// A Subscription never returns it; it waits until the service is back.
	ErrShuttingDown = errors.New("the service is stopping; call again once it is back")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the client, subscription or history is closed")
)

type permissionError struct{}

func (permissionError) Error() string {
	return "permission denied by the service: only root, the service's user and users that the administrator allows may do this, " +
		"and writing is not allowed through a read-only socket"
}

func (permissionError) Is(target error) bool { return target == fs.ErrPermission }

// ConnectionError is returned when the service cannot be reached, or when the
// connection to it breaks during a call.
type ConnectionError struct {
	// Address is the address of the service.
	Address string
	// Source describes a default address, as Client.AddressSource does.
	Source string
	// Lost: there was a connection.
	Lost bool
	// Err is the error of package net.
	Err error
}

func (e *ConnectionError) Error() string {
	if e.Lost {
		return fmt.Sprintf("lost the connection to %s: %v", e.Address, cause(e.Err))
	}
	source := ""
	if e.Source != "" {
		source = " (" + e.Source + ")"
	}
	return fmt.Sprintf("cannot connect to %s%s: %v%s", e.Address, source, cause(e.Err), e.hint())
}

func (e *ConnectionError) Unwrap() error { return e.Err }

// hint says what to do.
func (e *ConnectionError) hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, syscall.ECONNREFUSED):
		return "; is the service running? Start it with '" + howToStart(e.Source) + "', or name its address"
	case errors.Is(e.Err, fs.ErrPermission):
		return "; ask the administrator for access to the socket"
	case errors.Is(e.Err, syscall.EAGAIN):
		return "; the service does not accept connections fast enough"
	}
	return ""
}

// cause removes the operation and the address of package net, which are in the message
// already.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the service gave no sign of life")
	}
	return err
}

// isLost reports whether the connection broke or the service is stopping, so that
// another attempt may succeed.
func isLost(err error) bool {
	var connection *ConnectionError
	return errors.As(err, &connection) || errors.Is(err, ErrShuttingDown)
}

// The errors of io.podman.events and org.varlink.service that have their own type here.
const (
	nameInvalidFilter      = interfaceName + ".InvalidFilter"
	nameInvalidTime        = interfaceName + ".InvalidTime"
	nameInvalidEvent       = interfaceName + ".InvalidEvent"
	nameEventNotFound      = interfaceName + ".EventNotFound"
	nameInvalidCursor      = interfaceName + ".InvalidCursor"
	nameCursorExpired      = interfaceName + ".CursorExpired"
	nameBackendUnavailable = interfaceName + ".BackendUnavailable"
	nameShuttingDown       = interfaceName + ".ShuttingDown"

	serviceInterface         = "org.varlink.service"
	namePermissionDenied     = serviceInterface + ".PermissionDenied"
	nameInterfaceNotFound    = serviceInterface + ".InterfaceNotFound"
	nameMethodNotFound       = serviceInterface + ".MethodNotFound"
	nameMethodNotImplemented = serviceInterface + ".MethodNotImplemented"
	nameInvalidParameter     = serviceInterface + ".InvalidParameter"
)

// serviceError turns the service's error into a type of package events, where there is
// one.
func serviceError(name, parameters string) error {
	read := func(into any) { _ = json.Unmarshal([]byte(parameters), into) } // what cannot be decoded stays empty
	switch name {
	case nameInvalidFilter:
		var p iopodmanevents.InvalidFilter
		read(&p)
		return &events.FilterError{Filter: p.Filter, Reason: p.Reason}
	case nameInvalidTime:
		var p iopodmanevents.InvalidTime
		read(&p)
		return &events.TimeError{Field: p.Field, Value: p.Value, Reason: p.Reason}
	case nameInvalidEvent:
		var p iopodmanevents.InvalidEvent
		read(&p)
		return &events.FieldError{Field: p.Field, Reason: p.Reason}
	case nameEventNotFound:
		return events.ErrEventNotFound
	case nameInvalidCursor:
		var p iopodmanevents.InvalidCursor
		read(&p)
		return &events.CursorError{Cursor: p.Cursor, Reason: p.Reason}
	case nameCursorExpired:
		var p iopodmanevents.CursorExpired
		read(&p)
		return &events.ExpiredError{Oldest: p.Oldest}
	case nameBackendUnavailable:
		var p iopodmanevents.BackendUnavailable
		read(&p)
		return &events.UnavailableError{Backend: events.EventerType(p.Backend), Reason: p.Reason}
	case nameShuttingDown:
		return ErrShuttingDown
	case namePermissionDenied:
		return ErrPermissionDenied
	}
	return varlinkError(name, parameters)
}

// varlinkError returns the error for a client and a service that do not understand each
// other. It wraps the type of package varlink.
func varlinkError(name, parameters string) error {
	read := func(into any) { _ = json.Unmarshal([]byte(parameters), into) }
	switch name {
	case nameInterfaceNotFound:
		p := new(varlink.InterfaceNotFound)
		read(p)
		return fmt.Errorf("cannot call %s: the service there does not have this interface: %w", p.Interface, p)
	case nameMethodNotFound:
		p := new(varlink.MethodNotFound)
		read(p)
		return fmt.Errorf("cannot call %s: the service there does not have this method: %w", p.Method, p)
	case nameMethodNotImplemented:
		p := new(varlink.MethodNotImplemented)
		read(p)
		return fmt.Errorf("cannot call %s: the service there does not implement this method: %w", p.Method, p)
	case nameInvalidParameter:
		p := new(varlink.InvalidParameter)
		read(p)
		return fmt.Errorf("the service refuses parameter %q: %w", p.Parameter, p)
	}
	raw := json.RawMessage(strings.Clone(parameters))
	err := &varlink.Error{Name: name, Parameters: &raw}
	if parameters == "" || parameters == "{}" {
		return fmt.Errorf("the service refuses the call: %w", err)
	}
	return fmt.Errorf("the service refuses the call: %w %s", err, parameters)
}
