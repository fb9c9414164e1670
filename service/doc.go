// Package service is the Varlink interface of eventsvc: the interface
// io.podman.events on unix sockets, for varlinkctl and every other Varlink
// client. What the interface promises is said in io.podman.events.varlink at
// the root of this repository.
//
// # The loop
//
// A Server accepts connections on any number of Listeners, or is given
// connected ones, and reads calls from each, one after the other. The library
// varlink/go dispatches a call to the generated bindings; everything that has
// to hold for every call, whatever its interface, is done here before and
// around that: frames are bounded, the peer is known from the kernel, the
// parameters are held against the interface's own description, a panic ends
// one call and not the process, a client that is gone ends its call at once,
// one that stalls is dropped after a while, and one that only closed its
// writing side keeps its stream.
//
// A connection costs one goroutine. A call that may last is watched by one
// shared goroutine, and no goroutine wakes up while nothing happens.
//
// # Interfaces
//
// The loop knows no interface: what it needs to know about one is in the type
// Interface. io.podman.events is registered by New, others by Options, and all
// are served on every socket. A handler finds the call it works on, with the
// peer and the means to write frames that are ready, by CallOf.
//
// # What it must not know
//
// Where events are kept and how they are found: it asks package feed. Who may
// do what: it asks package access. The D-Bus interface.
package service
