// Package dbus is the D-Bus interface of eventsvc: the interface io.podman.Events1
// on the object /io/podman/Events1, under the bus name of the same words, for
// busctl, gdbus, GLib programs and every other D-Bus client. What the interface
// promises is said in its introspection data, and in docs/dbus.md.
//
// # What it promises
//
// No message of any client ends the service, leaks a descriptor, takes memory
// without bound or starts work without bound. Calls of one sender are handled
// in their order, one at a time; arguments have exactly the types of the
// introspection data; every call has a context that ends when its sender leaves
// the bus; a panic ends one call. Who a caller is the bus tells, never the
// message.
//
// A subscriber gets every event once, in the order of the store, numbered
// without gaps. One that does not read is noticed and waited for: it holds up
// nobody, and the bus has no reason to drop what it was sent. A bus that goes
// away is waited for, and the name is owned again.
//
// # How it works
//
// The library godbus makes the connection and talks with the bus itself. Calls
// of clients it never sees: the transport below it closes every descriptor that
// comes in, and hands calls over to a dispatcher of this package, which decodes
// them by hand. What is sent is encoded by hand too: a signal once for all
// subscribers, who differ in its header and in its last field.
//
// # What it must not know
//
// Where events are kept and how they are found: it asks package feed. Who may
// do what: it asks package access. The Varlink interface.
package dbus
