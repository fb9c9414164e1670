// Package access decides who may read and write events. It alone does: the interfaces
// call it and pass on its decision.
//
// Root and the service's user read everything and write. Any other user reads the
// events of its own uid and writes nothing, unless the Policy allows more. By default a
// caller gets less than it may read: the events of its own uid (Policy.View). The
// identity of the caller comes from the kernel or from the bus, never from the message.
//
// It knows no bus, no kind of store and no event.
package access
