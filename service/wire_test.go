package service

import "github.com/eventsvc/eventsvc/internal/varlinkwire"

// The errors of Varlink itself.
const (
	serviceInterface        = "org.varlink.service"
	errInterfaceNotFound    = serviceInterface + ".InterfaceNotFound"
	errMethodNotFound       = serviceInterface + ".MethodNotFound"
	errMethodNotImplemented = serviceInterface + ".MethodNotImplemented"
	errInvalidParameter     = serviceInterface + ".InvalidParameter"
	errExpectedMore         = serviceInterface + ".ExpectedMore"
)

type (
	// Interface and Server are here what they are to the service.
	Interface = varlinkwire.Interface
	Server    = varlinkwire.Server
)
