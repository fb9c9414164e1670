// Package fleet carries events from one host to many readers: it publishes those
// of the local service to NATS JetStream (Forwarder), and collects those of a
// stream, of other services or of the users of this host into one log (Collector),
// which an ordinary service serves.
//
// It promises what the service itself does: the events of a host arrive in
// order, each once, and none is missed while the log of its host holds it; where
// one is lost, an event system/events-lost says so. For that it keeps no state of
// its own. How far a host has been forwarded is the last message of the host in
// the stream, and each publish is refused by the server unless that message is
// still the last (the fence). How far a stream has been collected is the last line
// of the collected log.
//
// It alone imports nats.go. It knows the local service as any client does, and
// knows no kind of store.
package fleet
