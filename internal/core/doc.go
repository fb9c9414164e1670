// Package core is the meaning of each call, once for all interfaces: a page of
// past events (Pages), a stream (Subscribe), the newest event (Last), writing
// (Write) and the state of the service (Status), each for the peer that it is
// done for.
//
// It is the one place that asks who may do what, and where quotas and turns are
// taken, each before the store is opened and given back however the call ends.
// What goes wrong is one kind of Fault, which each interface spells in its own
// way.
//
// An interface is a decoder, which makes a Query or a NewEvent of a message, an
// encoder, and a transport. Core knows none of them, and no kind of store.
package core
