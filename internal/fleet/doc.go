// Package fleet carries events from one host to many readers: it publishes those of the
// local service to NATS JetStream (Forwarder), and collects those of a stream, of other
// services or of this host's users into one log (Collector), which a normal service
// then serves.
//
// It makes the service's own promises: the events of a host arrive in order, each once,
// and none is missed while the host's log holds it; if one is lost, an event
// system/events-lost says so. It keeps no state of its own for that. How far a host has
// been forwarded is the host's last message in the stream, and the server refuses a
// publish unless that message is still the last (the fence). How far a stream has been
// collected is the last line of the collected log.
//
// It is the only package that imports nats.go. It uses the local service as any client
// does, and knows no kind of store.
package fleet
