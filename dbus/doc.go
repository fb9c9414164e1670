// Package dbus is the D-Bus interface of eventsvc: the interface io.podman.Events1
// on the object /io/podman/Events1, under the bus name of the same words, for
// busctl, gdbus, GLib programs and every other D-Bus client. What the interface
// promises is said in its introspection data, and in docs/dbus.md.
//
// A subscriber gets every event once, in the order of the store, numbered
// without gaps, and one that does not read holds up no other. What keeps hostile
// clients from harm, and the connection to the bus, is in package dbuswire.
//
// It must not know where events are kept and how they are found (package feed),
// who may do what (package access), or the Varlink interface.
package dbus
