// Package events is the vocabulary of container events: Podman's event model
// (libpod/events) as Go types. It holds the types and statuses, Event and its
// JSON form, filters, times and the Eventer interface, under libpod's own names.
//
// It promises that an Event read from a line of Podman's event log and written
// back is equal in meaning, whatever Podman from 1.9 to 5.8 wrote it: exit code
// 0 stays an exit code, unknown members and unknown words survive.
//
// It does no I/O and knows no store, no bus and no process: opening a store is
// the business of events/eventer, serving one of packages service and dbus.
package events
