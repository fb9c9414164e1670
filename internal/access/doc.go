// Package access decides who may read and write events. It is the one place
// that does, for both interfaces of the service: they ask, and hand on the answer.
//
// Root and the user of the service read everything and write. Any other user
// reads the events of their own uid and writes nothing, unless the Policy
// allows more. What a caller gets without asking for more is narrower: the
// events of its own uid (Policy.View). The identity of the caller comes from the kernel, or from
// the bus, never by what the client sends.
//
// It knows no bus, no kind of store and no event.
package access
