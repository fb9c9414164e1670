// Package dbuswire keeps a service on a D-Bus bus that hostile peers cannot
// break: it owns a name, hands the calls of peers to methods, and sends signals
// no faster than their receiver reads. It knows nothing of what is served.
//
// # What it promises
//
// No message of a peer ends the service, leaks a descriptor, takes memory
// without bound or starts work without bound. Calls of one sender are handled
// in their order, one at a time; arguments have exactly the types of their
// signature; every call has a context that ends when its sender leaves the bus.
// The caller's identity comes from the bus, never from the message.
//
// A subscriber that does not read is noticed and waited for, so that the bus has
// no reason to drop what it was sent (Flow). A bus that goes away is waited for,
// and the name is owned again (Service.Run). When the service stops, what was
// called before is answered.
//
// # How it works
//
// godbus makes the connection and talks with the bus itself. It never sees the
// calls of peers: godbus 5.2.4 panics on an array of descriptors, starts a
// goroutine for each call and keeps the descriptors of rejected calls open
// (TestConnection_survivesHostileDescriptors shows the last). The transport below
// it closes every descriptor that comes in, and hands calls to a dispatcher of
// this package, which decodes them by hand. What is sent is encoded by hand too:
// a signal can be encoded once for all its receivers.
//
// # Use
//
// Fill Options with a bus, a name and a function that finds the object of a
// path; call New, then Run. An Object has interfaces, an Interface methods and
// properties; Introspectable, Peer and Properties are answered here.
package dbuswire
