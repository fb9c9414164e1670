package dbuswire

import "github.com/pkg/errors"

// The standard D-Bus errors that callers get.
const (
	ErrAccessDenied     = "org.freedesktop.DBus.Error.AccessDenied"
	ErrFailed           = "org.freedesktop.DBus.Error.Failed"
	ErrFileNotFound     = "org.freedesktop.DBus.Error.FileNotFound"
	ErrInvalidArgs      = "org.freedesktop.DBus.Error.InvalidArgs"
	ErrLimitsExceeded   = "org.freedesktop.DBus.Error.LimitsExceeded"
	ErrNotSupported     = "org.freedesktop.DBus.Error.NotSupported"
	ErrReadOnly         = "org.freedesktop.DBus.Error.PropertyReadOnly"
	ErrServiceUnknown   = "org.freedesktop.DBus.Error.ServiceUnknown"
	ErrUnknownInterface = "org.freedesktop.DBus.Error.UnknownInterface"
	ErrUnknownMethod    = "org.freedesktop.DBus.Error.UnknownMethod"
	ErrUnknownObject    = "org.freedesktop.DBus.Error.UnknownObject"
	ErrUnknownProperty  = "org.freedesktop.DBus.Error.UnknownProperty"
)

// Error is an error as sent to a caller: its name on the bus, and a message.
type Error struct{ Name, Message string }

func (e *Error) Error() string { return e.Message }

// InvalidArgs is returned for arguments of the right types with wrong values.
func InvalidArgs(message string) error { return &Error{ErrInvalidArgs, message} }

// wrongBody is returned for a body that does not match its signature.
func wrongBody(err error) error {
	return InvalidArgs("the arguments cannot be decoded: " + err.Error())
}

// Causes with which the contexts of a connection end.
var (
	// ErrStopping is the cause when the service stops.
	ErrStopping = errors.New("the service is stopping")
	// ErrLost is the cause when the connection to the bus has ended, and the error of a
	// Run that does not reconnect.
	ErrLost = errors.New("the connection to the bus was lost")
	// ErrGone is the cause when a peer has left the bus.
	ErrGone = errors.New("the caller is no longer on the bus")
)

// IsUnanswerable reports whether an error cannot be sent: the peer has left the bus, or
// the connection has ended.
func IsUnanswerable(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, ErrLost) }
