// Package dbus is the D-Bus interface of eventsvc: the interface io.podman.Events1 on
// the object /io/podman/Events1, under the bus name io.podman.Events1, for busctl,
// gdbus, GLib programs and every other D-Bus client. Its introspection data and
// docs/dbus.md say what the interface promises.
//
// A subscriber gets every event once, in the order of the store, numbered without gaps.
// One that does not read delays no other. Package dbuswire is the connection to the
// bus, and withstands hostile clients.
//
// This package must not know where events are stored and how they are found (package
// feed), who may do what (package access), or the Varlink interface.
package dbus
