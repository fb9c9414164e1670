// Package events is the vocabulary of container events: Podman's event model
// (libpod/events) as Go types. It has the types and statuses, Event and its JSON form,
// filters, times and the Eventer interface, under libpod's names.
//
// It promises that an Event read from a line of Podman's event log and written back has
// the same meaning, whatever Podman from 1.9 to 5.8 wrote it: exit code 0 stays an exit
// code, and unknown members and unknown words are preserved.
//
// It does no I/O and knows no store, no bus and no process: package events/eventer
// opens a store, packages service and dbus serve one.
package events
