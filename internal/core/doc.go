// Package core carries out each call once for all interfaces: a page of past events
// (Pages), a stream (Subscribe), the newest event (Last), writing (Write) and the state
// of the service (Status), each for the peer that asks.
//
// It alone decides who may do what, and takes quotas and turns: before the store is
// opened, and it gives them back however the call ends. Everything that goes wrong is
// one type, Fault, which each interface spells in its own way.
//
// An interface is a decoder, which turns a message into a Query or a NewEvent, an
// encoder, and a transport. Core knows no interface and no kind of store.
package core
